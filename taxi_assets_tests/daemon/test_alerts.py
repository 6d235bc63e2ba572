"""What the real daemon notices by itself reaches a webhook: a failing sensor, a late dataset, a failed backfill."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import httpx
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

from taxi_assets.cli.instance import instance_of
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS
from taxi_assets.settings import Settings

from .backfills import FHV, Backfill
from .machines import Machine
from .watched import Watch, publish, sensor, start_sensor, until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900), pytest.mark.xdist_group("watch")]

PATIENCE = 600
MONTHS = tuple(Month(2024, 1).until(Month(2024, 3)))
_SET_CURSOR = """
mutation ($sensor: SensorSelector!, $cursor: String) {
  setSensorCursor(sensorSelector: $sensor, cursor: $cursor) { __typename ... on Error { message } }
}"""


@pytest.fixture(scope="module", autouse=True)
def _published(watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Three months of fhv, of which two are broken."""
    publish(watch.cdn, tmp_path_factory.mktemp("published"), MONTHS[0], '"first"', DEFAULT_ROWS, dataset=FHV)
    for month in MONTHS[1:]:
        watch.cdn.put(f"trip-data/{FHV.file_name(month)}", b"<Error><Code>AccessDenied</Code></Error>")


def about(watch: Watch, title: str) -> list[str]:
    return [text for text in watch.alerts if text.startswith(title)]


def statuses(machine: Machine) -> list[str]:
    """Of the sensor's ticks, newest first."""
    query = """query ($sensor: SensorSelector!) {
      sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState { ticks(limit: 500) { status } } } } }"""
    ticks = machine.ask(query, sensor=sensor(FHV))["sensorOrError"]["sensorState"]["ticks"]
    return [tick["status"] for tick in ticks]


def ticks_with(machine: Machine, cursor: str | None, status: str) -> bool:
    """Set the sensor's cursor, also after a tick that was under way; whether the newest tick ended so."""
    machine.ask(_SET_CURSOR, sensor=sensor(FHV), cursor=cursor)
    return statuses(machine)[:1] == [status]


@contextmanager
def records(machine: Machine) -> Iterator[dg.DagsterInstance]:
    """Dagster's records on the machine."""
    with instance_of(Settings.from_environment({"TAXI_HOME": str(machine.home)})) as instance:
        yield instance


def opens(machine: Machine, text: str, page: str) -> bool:
    """Whether the alert links to that page of the UI."""
    return f"<{machine.url}/{page}|" in text and httpx.get(f"{machine.url}/{page}").status_code == 200


def test_a_sensor_whose_ticks_fail_is_reported_once_until_it_has_recovered(watch: Watch) -> None:
    title = "*ERROR sensor fhv_trips_published fails*"
    start_sensor(watch.machine, FHV)
    for times in (1, 2):
        until(lambda: ticks_with(watch.machine, '{"not": "a cursor"}', "FAILURE"), PATIENCE)
        until(lambda times=times: len(about(watch, title)) == times, PATIENCE)
        failed = statuses(watch.machine).count("FAILURE")
        until(lambda failed=failed: statuses(watch.machine).count("FAILURE") >= failed + 3, PATIENCE)
        assert len(about(watch, title)) == times
        until(lambda: ticks_with(watch.machine, None, "SKIPPED"), PATIENCE)
    text = about(watch, title)[0]
    assert "TypeError" in text
    assert opens(watch.machine, text, "locations/taxi_assets/sensors/fhv_trips_published")


def test_a_dataset_that_the_daemon_finds_late_is_reported(watch: Watch) -> None:
    materialization = dg.AssetMaterialization(["fhv", "postgres_trips"], partition="2015-01")
    event = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value,
        RUNLESS_JOB_NAME,
        event_specific_data=StepMaterializationData(materialization),
    )
    long_ago = datetime(2015, 2, 14, tzinfo=UTC)
    with records(watch.machine) as instance:
        instance.report_dagster_event(event, RUNLESS_RUN_ID, timestamp=long_ago.timestamp())
    until(lambda: len(about(watch, "*ERROR fhv is late*")) == 1, PATIENCE)
    [text] = about(watch, "*ERROR fhv is late*")
    assert "last materialized on 2015-02-14 (2015-01)" in text
    assert opens(watch.machine, text, "assets/fhv/postgres_trips")


def test_a_backfill_with_failed_months_is_reported_with_each_of_them(watch: Watch) -> None:
    backfill = Backfill.launched(watch.machine, FHV, MONTHS)
    assert backfill.wait(PATIENCE).status == "COMPLETED_FAILED"
    title = f"*ERROR backfill {backfill.id}: 2 of 3 runs failed*"
    until(lambda: len(about(watch, title)) == 1, PATIENCE)
    [text] = about(watch, title)
    _, february, march, _ = text.splitlines()
    assert february.startswith("fhv 2024-02: fhv/raw_trips: BadFile: ")
    assert march.startswith("fhv 2024-03: fhv/raw_trips: BadFile: ")
    assert opens(watch.machine, text, f"runs/b/{backfill.id}")
    assert len(about(watch, "*ERROR fhv 2024-0")) == 1  # the first failed run, at once
