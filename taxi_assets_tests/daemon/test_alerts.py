"""What the real daemon notices by itself reaches a webhook: a failing sensor, a late dataset, a failed backfill."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import httpx
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

from taxi_assets.cli.instance import instance_of
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS, write_tree
from taxi_assets.settings import Settings

from .backfills import Backfill
from .machines import Machine
from .watched import GREEN, hurried_laptop, sensor, start_sensor, until, webhook

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900), pytest.mark.xdist_group(__name__)]

PATIENCE = 600
MONTHS = tuple(Month(2024, 1).until(Month(2024, 3)))
_SET_CURSOR = """
mutation ($sensor: SensorSelector!, $cursor: String) {
  setSensorCursor(sensorSelector: $sensor, cursor: $cursor) { __typename ... on Error { message } }
}"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months of green, of which two are broken."""
    folder = tmp_path_factory.mktemp("published")
    write_tree(folder, rows=DEFAULT_ROWS, months=[(GREEN, month) for month in MONTHS])
    for month in MONTHS[1:]:
        (folder / "trip-data" / GREEN.file_name(month)).write_text("<Error><Code>AccessDenied</Code></Error>")
    return folder


@pytest.fixture(scope="module")
def texts() -> Iterator[tuple[str, list[str]]]:
    with webhook() as hook:
        yield hook


@pytest.fixture(scope="module")
def machine(published: Path, texts: tuple[str, list[str]]) -> Iterator[Machine]:
    with hurried_laptop(str(published), texts[0]) as machine:
        yield machine


def about(texts: tuple[str, list[str]], title: str) -> list[str]:
    return [text for text in texts[1] if text.startswith(title)]


def statuses(machine: Machine) -> list[str]:
    """Of the sensor's ticks, newest first."""
    query = """query ($sensor: SensorSelector!) {
      sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState { ticks(limit: 500) { status } } } } }"""
    ticks = machine.ask(query, sensor=sensor())["sensorOrError"]["sensorState"]["ticks"]
    return [tick["status"] for tick in ticks]


def ticks_with(machine: Machine, cursor: str | None, status: str) -> bool:
    """Set the sensor's cursor, also after a tick that was under way; whether the newest tick ended so."""
    machine.ask(_SET_CURSOR, sensor=sensor(), cursor=cursor)
    return statuses(machine)[:1] == [status]


@contextmanager
def records(machine: Machine) -> Iterator[dg.DagsterInstance]:
    """Dagster's records on the machine."""
    with instance_of(Settings.from_environment({"TAXI_HOME": str(machine.home)})) as instance:
        yield instance


def opens(machine: Machine, text: str, page: str) -> bool:
    """Whether the alert links to that page of the UI."""
    return f"<{machine.url}/{page}|" in text and httpx.get(f"{machine.url}/{page}").status_code == 200


def test_a_sensor_whose_ticks_fail_is_reported_once_until_it_has_recovered(
    machine: Machine, texts: tuple[str, list[str]]
) -> None:
    title = "*ERROR sensor green_trips_published fails*"
    start_sensor(machine)
    for times in (1, 2):
        until(lambda: ticks_with(machine, '{"not": "a cursor"}', "FAILURE"), PATIENCE)
        until(lambda times=times: len(about(texts, title)) == times, PATIENCE)
        failed = statuses(machine).count("FAILURE")
        until(lambda failed=failed: statuses(machine).count("FAILURE") >= failed + 3, PATIENCE)
        assert len(about(texts, title)) == times
        until(lambda: ticks_with(machine, None, "SKIPPED"), PATIENCE)
    text = about(texts, title)[0]
    assert "TypeError" in text
    assert opens(machine, text, "locations/taxi_assets/sensors/green_trips_published")


def test_a_dataset_that_the_daemon_finds_late_is_reported(machine: Machine, texts: tuple[str, list[str]]) -> None:
    materialization = dg.AssetMaterialization(["green", "postgres_trips"], partition="2014-01")
    event = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value,
        RUNLESS_JOB_NAME,
        event_specific_data=StepMaterializationData(materialization),
    )
    long_ago = datetime(2014, 2, 14, tzinfo=UTC)
    with records(machine) as instance:
        instance.report_dagster_event(event, RUNLESS_RUN_ID, timestamp=long_ago.timestamp())
    until(lambda: len(about(texts, "*ERROR green is late*")) == 1, PATIENCE)
    [text] = about(texts, "*ERROR green is late*")
    assert "last materialized on 2014-02-14 (2014-01)" in text
    assert opens(machine, text, "assets/green/postgres_trips")


def test_a_backfill_with_failed_months_is_reported_with_each_of_them(
    machine: Machine, texts: tuple[str, list[str]]
) -> None:
    backfill = Backfill.launched(machine, GREEN, MONTHS)
    assert backfill.wait(PATIENCE).status == "COMPLETED_FAILED"
    title = f"*ERROR backfill {backfill.id}: 2 of 3 runs failed*"
    until(lambda: len(about(texts, title)) == 1, PATIENCE)
    [text] = about(texts, title)
    _, february, march, _ = text.splitlines()
    assert february.startswith("green 2024-02: green/raw_trips: BadFile: ")
    assert march.startswith("green 2024-03: green/raw_trips: BadFile: ")
    assert opens(machine, text, f"runs/b/{backfill.id}")
    assert len(about(texts, "*ERROR green 2024-0")) == 1  # the first failed run, at once
