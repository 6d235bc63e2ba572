"""A laptop whose sensors tick every other second, a webhook that takes its alerts, and what can be asked of it."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import expected_defects, write_month
from taxi_assets_tests.source.cdn import Cdn

from .machines import PROJECT, Laptop, Machine

GREEN = dataset_named("green")
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
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"


class Webhook(BaseHTTPRequestHandler):
    """Takes alerts."""

    texts: list[str]

    def do_POST(self) -> None:
        self.texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def webhook() -> Iterator[tuple[str, list[str]]]:
    """Where alerts go, and those that came."""
    handler = type("Handler", (Webhook,), {"texts": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/t0ken", handler.texts
        server.shutdown()


class HurriedLaptop(Laptop):
    """A laptop whose sensors tick every other second."""

    definitions = f"{__package__}.hurried"  # by name: to import it would hurry the sensors of all other tests


@contextmanager
def hurried_laptop(source: str, hook: str) -> Iterator[Machine]:
    """One that runs, with alerts to that webhook."""
    with tempfile.TemporaryDirectory(prefix="taxi laptop ") as folder:
        machine = HurriedLaptop(Path(folder), source)
        machine.environment |= {
            "TAXI_ALERT_WEBHOOK": hook,
            "TAXI_UI_URL": machine.url,
            "PYTHONPATH": str(PROJECT),
        }
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


def start_sensor(machine: Machine) -> None:
    """Switch the sensor on, as a person does in the UI."""
    assert ask(machine, _START, sensor=sensor())["startSensor"]["__typename"] == "Sensor"


def sensor() -> dict[str, str]:
    return {
        "sensorName": SENSOR,
        "repositoryName": "__repository__",
        "repositoryLocationName": "taxi_assets",
    }


def ticks(machine: Machine) -> list[dict[str, Any]]:
    return ask(machine, _TICKS, sensor=sensor())["sensorOrError"]["sensorState"]["ticks"]


def runs(machine: Machine) -> list[tuple[str, str]]:
    """Month and status of every run of a month, oldest first."""
    found = ask(machine, RUNS)["runsOrError"]["results"]
    return [
        (tag["value"], run["status"])
        for run in reversed(found)
        for tag in run["tags"]
        if tag["key"] == "dagster/partition"
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
    dirt = expected_defects(GREEN, month, rows=rows)
    return rows - sum(count for rule, count in dirt.items() if rule not in ("no_passengers", "no_distance"))
