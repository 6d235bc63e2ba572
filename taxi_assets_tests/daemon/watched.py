"""A laptop whose sensors tick every other second, a webhook that takes its alerts, and what can be asked of it."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from taxi_assets.catalog import Dataset, dataset_named
from taxi_assets.jobs import sensor_name, trips_job_name
from taxi_assets.month import Month
from taxi_assets.sample import expected_defects, write_month
from taxi_assets_tests.source.cdn import Cdn

from .machines import SECONDS_BETWEEN_QUESTIONS, Laptop, Machine

GREEN = dataset_named("green")
_START = """
mutation ($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename ... on Error { message } }
}"""
_TICKS = """
query ($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(limit: 100) { timestamp status skipReason } } }
  }
}"""
_RUNS = """
query ($job: String!) {
  runsOrError(filter: {pipelineName: $job}) { ... on Runs { results { runId status tags { key value } } } }
}"""


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


@dataclass(frozen=True)
class Watch:
    """A machine that watches a server of files.

    Attributes:
        machine: with sensors that tick every other second.
        cdn: its source.
        alerts: what its webhook was sent so far.
    """

    machine: Machine
    cdn: Cdn
    alerts: list[str]


class HurriedLaptop(Laptop):
    """A laptop whose sensors tick every other second."""

    definitions = f"{__package__}.hurried"  # by name: to import it would hurry the sensors of all other tests


@contextmanager
def hurried_laptop(source: str, hook: str) -> Iterator[Machine]:
    """One that runs, with alerts to that webhook."""
    with tempfile.TemporaryDirectory(prefix="taxi laptop ") as folder:
        machine = HurriedLaptop(Path(folder), source)
        machine.environment |= {"TAXI_ALERT_WEBHOOK": hook, "TAXI_UI_URL": machine.url}
        try:
            machine.start()
            yield machine
        finally:
            machine.stop()


def publish(cdn: Cdn, folder: Path, month: Month, etag: str, rows: int, *, dataset: Dataset = GREEN) -> None:
    path = folder / "published.parquet"
    write_month(dataset, month, path, rows=rows)
    cdn.put(f"trip-data/{dataset.file_name(month)}", path.read_bytes(), etag)


def start_sensor(machine: Machine, dataset: Dataset = GREEN) -> None:
    """Switch the sensor on, as a person does in the UI."""
    assert machine.ask(_START, sensor=sensor(dataset))["startSensor"]["__typename"] == "Sensor"


def sensor(dataset: Dataset = GREEN) -> dict[str, str]:
    return {
        "sensorName": sensor_name(dataset),
        "repositoryName": "__repository__",
        "repositoryLocationName": "taxi_assets",
    }


def ticks(machine: Machine, dataset: Dataset = GREEN) -> list[dict[str, Any]]:
    """Of the dataset's sensor, newest first."""
    return machine.ask(_TICKS, sensor=sensor(dataset))["sensorOrError"]["sensorState"]["ticks"]


def run_records(machine: Machine, dataset: Dataset = GREEN) -> list[dict[str, Any]]:
    """What is recorded of the runs of the dataset's job, newest first."""
    return machine.ask(_RUNS, job=trips_job_name(dataset))["runsOrError"]["results"]


def runs(machine: Machine, dataset: Dataset = GREEN) -> list[tuple[str, str]]:
    """Month and status of every run of a month, oldest first."""
    return [
        (tag["value"], run["status"])
        for run in reversed(run_records(machine, dataset))
        for tag in run["tags"]
        if tag["key"] == "dagster/partition"
    ]


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come so far"
        time.sleep(SECONDS_BETWEEN_QUESTIONS)


def after_ticks(machine: Machine, count: int, dataset: Dataset = GREEN) -> int:
    """Wait until the sensor has begun so many ticks from now on; how many it were then."""
    last = max(tick["timestamp"] for tick in ticks(machine, dataset))

    def begun() -> int:
        return sum(tick["timestamp"] > last for tick in ticks(machine, dataset))

    until(lambda: begun() >= count)
    return begun()


def clean_rows(month: Month, rows: int, dataset: Dataset = GREEN) -> int:
    dirt = expected_defects(dataset, month, rows=rows)
    return rows - sum(count for rule, count in dirt.items() if rule not in ("no_passengers", "no_distance"))
