"""The tables keep up with a real server while the real daemon runs, with nobody watching."""

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import expected_dirt, write_month
from taxi_assets_tests.source.cdn import Answer, Cdn, serving

from . import hurried
from .backfills import stored_rows
from .machines import PROJECT, Laptop, Machine

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600)]

GREEN = dataset_named("green")
JULY, AUGUST, SEPTEMBER, OCTOBER = (Month.current().plus(-ago) for ago in (4, 3, 2, 1))  # the last four that are over
SENSOR = "green_trips_published"
_START = """
mutation ($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename ... on Error { message } }
}"""
_TICKS = """
query ($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(limit: 50) { status skipReason } } }
  }
}"""
_RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"


class Webhook(BaseHTTPRequestHandler):
    """Takes alerts."""

    texts: list[str]

    def do_POST(self) -> None:
        self.texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def cdn() -> Iterator[Cdn]:
    with serving() as cdn:
        yield cdn


@pytest.fixture(scope="module")
def alerts() -> Iterator[tuple[str, list[str]]]:
    """Where alerts go, and those that came."""
    handler = type("Handler", (Webhook,), {"texts": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/t0ken", handler.texts
        server.shutdown()


class HurriedLaptop(Laptop):
    """A laptop whose sensors tick every other second."""

    definitions = hurried.__name__


@pytest.fixture(scope="module")
def machine(cdn: Cdn, alerts: tuple[str, list[str]]) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="taxi laptop ") as folder:
        machine = HurriedLaptop(Path(folder), cdn.url)
        told = {"TAXI_ALERT_WEBHOOK": alerts[0], "TAXI_UI_URL": machine.url, "PYTHONPATH": str(PROJECT)}
        machine.environment |= told
        try:
            machine.start()
            yield machine
        finally:
            machine.stop()


def publish(cdn: Cdn, folder: Path, month: Month, etag: str, rows: int) -> None:
    path = folder / "published.parquet"
    write_month(GREEN, month, path, rows=rows)
    cdn.put(f"trip-data/{GREEN.file_name(month)}", path.read_bytes(), etag)


def ask(machine: Machine, query: str, **variables: Any) -> dict[str, Any]:
    answer = httpx.post(f"{machine.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def sensor() -> dict[str, str]:
    return {
        "sensorName": SENSOR,
        "repositoryName": "__repository__",
        "repositoryLocationName": "taxi_assets",
    }


def ticks(machine: Machine) -> list[dict[str, Any]]:
    return ask(machine, _TICKS, sensor=sensor())["sensorOrError"]["sensorState"]["ticks"]


def runs(machine: Machine) -> list[tuple[str, str]]:
    """Month and status of every run, oldest first."""
    found = ask(machine, _RUNS)["runsOrError"]["results"]
    return [
        (next(tag["value"] for tag in run["tags"] if tag["key"] == "dagster/partition"), run["status"])
        for run in reversed(found)
    ]


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come so far"
        time.sleep(0.3)


def after_ticks(machine: Machine, count: int) -> None:
    """Wait until the sensor has ticked so many times from now on."""
    before = len(ticks(machine))
    until(lambda: len(ticks(machine)) >= min(before + count, 50))


def clean_rows(month: Month, rows: int) -> int:
    dirt = expected_dirt(GREEN, month, rows=rows)
    return rows - sum(count for rule, count in dirt.items() if rule not in ("no_passengers", "no_distance"))


def test_the_tables_keep_up_with_the_server(
    machine: Machine, cdn: Cdn, alerts: tuple[str, list[str]], tmp_path: Path
) -> None:
    publish(cdn, tmp_path, JULY, '"july"', 3_000)
    assert ask(machine, _START, sensor=sensor())["startSensor"]["__typename"] == "Sensor"
    until(lambda: any(f"watched from {AUGUST} on" in (tick["skipReason"] or "") for tick in ticks(machine)))

    publish(cdn, tmp_path, AUGUST, '"first"', 3_000)  # it comes out, and is loaded everywhere
    until(lambda: runs(machine) == [(str(AUGUST), "SUCCESS")])
    expected = {store: {AUGUST: clean_rows(AUGUST, 3_000)} for store in ("clean", "postgres", "warehouse")}
    stored = stored_rows(machine, GREEN, [AUGUST])
    assert {store: stored[store] for store in expected} == expected

    cdn.put(f"trip-data/{GREEN.file_name(AUGUST)}", cdn.files[f"trip-data/{GREEN.file_name(AUGUST)}"][0], '"touched"')
    after_ticks(machine, 4)  # the same bytes under another ETag: nothing happens
    assert runs(machine) == [(str(AUGUST), "SUCCESS")]

    publish(cdn, tmp_path, AUGUST, '"second"', 2_500)  # other bytes: that month alone is loaded again
    until(lambda: runs(machine) == [(str(AUGUST), "SUCCESS")] * 2)
    stored = stored_rows(machine, GREEN, [AUGUST])
    assert stored["postgres"] == stored["warehouse"] == {AUGUST: clean_rows(AUGUST, 2_500)}

    cdn.answers.extend([Answer(status=503)] * 1_000)  # down, while a month comes out: nothing is lost
    publish(cdn, tmp_path, SEPTEMBER, '"september"', 3_000)
    after_ticks(machine, 3)
    assert {tick["status"] for tick in ticks(machine)} <= {"SKIPPED", "SUCCESS", "STARTED"}
    assert len(runs(machine)) == 2
    cdn.answers.clear()
    until(lambda: runs(machine)[-1] == (str(SEPTEMBER), "SUCCESS"))
    assert len(runs(machine)) == 3
    assert stored_rows(machine, GREEN, [SEPTEMBER])["postgres"][SEPTEMBER] == clean_rows(SEPTEMBER, 3_000)
    assert alerts[1] == []

    cdn.put(f"trip-data/{GREEN.file_name(OCTOBER)}", b"<html>maintenance</html>")  # out, and broken: an alert
    until(lambda: runs(machine)[-1] == (str(OCTOBER), "FAILURE"))
    until(lambda: len(alerts[1]) > 0)
    [text] = alerts[1]
    assert text.startswith(f"*ERROR green {OCTOBER}*\nERROR raw/green_trips: BadFile: ")
    assert "t0ken" not in text
    link = re.search(r"<(http://\S+/runs/(\S+))\|open the run>", text)
    assert link is not None
    assert httpx.get(link[1]).status_code == 200
    assert link[2] in str(ask(machine, _RUNS))

    publish(cdn, tmp_path, OCTOBER, '"mended"', 3_000)  # and mended: it is loaded without anybody's help
    until(lambda: runs(machine)[-1] == (str(OCTOBER), "SUCCESS"))
    assert stored_rows(machine, GREEN, [OCTOBER])["postgres"][OCTOBER] == clean_rows(OCTOBER, 3_000)
    assert len(alerts[1]) == 1
