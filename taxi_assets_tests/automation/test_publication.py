"""The sensor of a dataset, tick by tick, against a real server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from taxi_assets import month as calendar
from taxi_assets.automation import month_requests, new_files, observed_files
from taxi_assets.source.base import RemoteFile

from .world import World

SENSOR = "green_trips_published"
AUGUST = "trip-data/green_tripdata_2026-08.parquet"
PAGE = b"<html>maintenance</html>"


@pytest.fixture(autouse=True)
def it_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock of the sensor; it stands in November 2026 at first, whatever day it is."""

    def it_is(moment: datetime) -> None:
        monkeypatch.setattr(calendar, "now", lambda: moment)

    it_is(datetime(2026, 11, 25, 12, tzinfo=UTC))
    return it_is


@pytest.fixture(autouse=True)
def no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Months before the sensor's start are a subject of `test_observed`."""
    monkeypatch.setattr(observed_files, "HISTORY_MONTHS_A_TICK", 0)


def later(it_is: Callable[[datetime], None], **time: int) -> None:
    it_is(calendar.now() + timedelta(**time))


def requested(world: World) -> list[str]:
    return list(world.cursor(SENSOR)["requested"])


def dead_run(
    world: World, month: str, *, status: dg.DagsterRunStatus = dg.DagsterRunStatus.FAILURE, **tags: str
) -> None:
    """Record a run of the month whose process died, or that was canceled."""
    job = world.definitions.resolve_job_def("green_trips_job")
    told = {"dagster/partition": month, **{name.replace("__", "/"): value for name, value in tags.items()}}
    run = world.instance.create_run_for_job(job, tags=told, status=dg.DagsterRunStatus.STARTED)
    if status == dg.DagsterRunStatus.FAILURE:
        world.instance.report_run_failed(run)
    else:
        world.instance.report_run_canceled(run)


def test_the_first_tick_requests_nothing_and_says_how_to_backfill(world: World) -> None:
    world.publish("2026-08")
    asked, told = world.tick(SENSOR)
    assert asked == []
    assert told is not None
    assert "watched from 2026-09 on" in told
    assert "taxi run green 2014-01..2026-08" in told
    assert world.cursor(SENSOR)["next"] == "2026-09"
    assert requested(world) == []


def test_a_month_that_comes_out_is_requested_once(world: World) -> None:
    world.publish("2026-07")
    world.tick(SENSOR)
    assert world.tick(SENSOR) == ([], f"{world.cdn.url} has not published green 2026-08 yet")
    world.publish("2026-08")
    assert world.tick(SENSOR)[0] == ["2026-08"]
    assert world.tick(SENSOR)[0] == []
    assert world.cursor(SENSOR)["next"] == "2026-09"


def test_several_months_at_once_are_worked_off_some_a_tick(world: World) -> None:
    world.publish("2025-12")
    world.tick(SENSOR)
    for number in range(1, 9):
        world.publish(f"2026-{number:02}")
    first, second = world.tick(SENSOR)[0], world.tick(SENSOR)[0]
    assert first == [f"2026-{number:02}" for number in range(1, 7)]
    assert second == ["2026-07", "2026-08"]


@pytest.mark.slow
def test_a_month_that_was_replaced_is_requested_and_no_other(world: World) -> None:
    for month in ("2026-06", "2026-07"):
        world.publish(month)
        assert world.load(month).success
    world.tick(SENSOR)
    assert world.tick(SENSOR)[0] == []
    world.publish("2026-06", etag='"second"', rows=150)
    assert world.tick(SENSOR)[0] == ["2026-06"]
    assert world.tick(SENSOR)[0] == []
    assert world.load("2026-06").success
    assert world.tick(SENSOR)[0] == []
    assert world.cursor(SENSOR)["seen"] == {}


def test_a_file_that_was_touched_and_has_the_same_bytes_is_left_alone(world: World) -> None:
    world.publish("2026-07")
    world.note_loaded("2026-07")
    world.tick(SENSOR)
    world.publish("2026-07", etag='"touched"')
    asked, told = world.tick(SENSOR)
    assert asked == []
    assert told is not None
    assert "2026-07 has new headers and the same bytes" in told
    before = len(world.cdn.requests)
    assert world.tick(SENSOR)[0] == []
    assert [request.method for request in world.cdn.requests[before:]] == ["HEAD", "HEAD"]


def test_one_changed_file_is_fetched_a_tick(world: World) -> None:
    for month in ("2026-05", "2026-06", "2026-07"):
        world.publish(month)
        world.note_loaded(month)
    world.tick(SENSOR)
    for month in ("2026-05", "2026-06", "2026-07"):
        world.publish(month, etag='"second"', rows=150)
    assert [world.tick(SENSOR)[0] for _ in range(4)] == [["2026-05"], ["2026-06"], ["2026-07"], []]


def test_old_months_are_asked_for_in_turns(world: World) -> None:
    months = [f"2026-{number:02}" for number in range(1, 9)]
    for month in months:
        world.publish(month)
        world.note_loaded(month)
    world.tick(SENSOR)
    asked = []
    for _ in range(2):
        before = len(world.cdn.requests)
        world.tick(SENSOR)
        asked.append([request.path[-15:-8] for request in world.cdn.requests[before:]][1:])
    assert asked == [months[:6], [*months[6:], *months[:4]]]


def test_a_source_that_is_down_neither_fails_the_tick_nor_moves_the_cursor(world: World) -> None:
    world.publish("2026-07")
    world.tick(SENSOR)
    cursor = world.cursors[SENSOR]
    world.publish("2026-08")
    address, world.settings = (
        world.settings,
        world.settings.__class__(**{**vars(world.settings), "source": "http://127.0.0.1:9"}),
    )
    asked, told = world.tick(SENSOR)
    assert asked == []
    assert told is not None
    assert "does not answer; the next tick asks it again" in told
    world.settings = address
    world.cursors[SENSOR] = cursor
    assert world.tick(SENSOR)[0] == ["2026-08"]


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        (datetime(2026, 11, 25, tzinfo=UTC), "2026-10"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026-11"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2026-12"),
        (datetime(2027, 4, 14, tzinfo=UTC), "2027-03"),
    ],
    ids=str,
)
def test_a_month_that_is_not_over_is_not_asked_for(
    world: World, it_is: Callable[[datetime], None], moment: datetime, last: str
) -> None:
    it_is(moment)
    world.publish("2999-01")
    world.publish(last)
    world.tick(SENSOR)
    before = len(world.cdn.requests)
    assert world.tick(SENSOR) == ([], f"{world.cursor(SENSOR)['next']} is not over yet")
    assert world.cursor(SENSOR)["next"] == f"{moment:%Y-%m}"
    assert len(world.cdn.requests) == before


def test_a_replaced_file_that_is_broken_is_told_and_not_loaded(world: World) -> None:
    world.publish("2026-07")
    world.note_loaded("2026-07")
    world.tick(SENSOR)
    world.cdn.put("trip-data/green_tripdata_2026-07.parquet", b"<html>maintenance</html>", '"third"')
    asked, told = world.tick(SENSOR)
    assert asked == []
    assert told is not None
    assert "2026-07 has changed, and the new file cannot be loaded" in told


def test_a_tick_asks_the_server_a_bounded_number_of_times(world: World) -> None:
    for number in range(1, 11):
        world.publish(f"2025-{number:02}")
    world.tick(SENSOR)
    world.cursors[SENSOR] = '{"next": "2014-01"}'
    before = len(world.cdn.requests)
    world.tick(SENSOR)
    assert len(world.cdn.requests) - before <= sum(
        (new_files.NEW_MONTHS_A_TICK, new_files.OLD_MONTHS_A_TICK, new_files.REQUESTED_MONTHS_A_TICK)
    )


def watched(world: World) -> None:
    """Publish July and let the sensor begin with August."""
    world.publish("2026-07")
    world.tick(SENSOR)


def test_a_month_that_failed_is_requested_again_once_its_file_is_mended(world: World) -> None:
    watched(world)
    world.cdn.put(AUGUST, PAGE, '"broken"')
    assert world.tick(SENSOR)[0] == ["2026-08"]
    assert not world.load("2026-08").success
    for _ in range(2):
        asked, told = world.tick(SENSOR)
        assert asked == []
        assert "2026-08 failed; it is requested again when the source has another file" in (told or "")
    world.publish("2026-08", etag='"whole"')
    assert world.tick(SENSOR)[0] == ["2026-08"]
    assert world.load("2026-08").success
    assert world.tick(SENSOR)[0] == []
    assert requested(world) == []


@pytest.mark.slow
def test_a_replaced_month_that_failed_is_requested_again_once_its_file_is_mended(world: World) -> None:
    world.publish("2026-08")
    assert world.load("2026-08").success
    world.tick(SENSOR)
    world.publish("2026-08", etag='"second"', rows=150)
    assert world.tick(SENSOR) == (["2026-08"], None)  # or its note says why not
    world.cdn.put(AUGUST, PAGE, '"second"')  # what the run gets is not what the sensor has seen
    assert not world.load("2026-08").success
    assert world.tick(SENSOR)[0] == []
    world.publish("2026-08", etag='"third"', rows=150)
    assert world.tick(SENSOR) == (["2026-08"], None)  # or its note says why not
    assert world.load("2026-08").success
    assert world.tick(SENSOR)[0] == []
    assert requested(world) == []


def test_a_run_that_died_is_tried_again_with_growing_pauses_and_not_for_ever(
    world: World, it_is: Callable[[datetime], None]
) -> None:
    watched(world)
    world.publish("2026-08")
    assert world.tick(SENSOR)[0] == ["2026-08"]
    pauses = []
    for minutes in (10, 30, 90, 270, 810):
        dead_run(world, "2026-08")
        later(it_is, minutes=minutes - 1)
        assert world.tick(SENSOR)[0] == []
        later(it_is, minutes=1)
        assert world.tick(SENSOR)[0] == ["2026-08"]
        pauses.append(minutes)
    assert len(pauses) + 1 == month_requests.TRIES
    dead_run(world, "2026-08")
    later(it_is, days=30)
    assert world.tick(SENSOR)[0] == []
    world.publish("2026-08", etag='"second"', rows=150)
    assert world.tick(SENSOR)[0] == ["2026-08"]


@pytest.mark.parametrize(
    ("error", "asked"), [("StoreUnavailable", ["2026-08"]), ("SourceUnavailable", ["2026-08"]), ("BadFile", [])]
)
def test_failures_of_a_source_or_a_store_are_tried_again_and_no_others(
    world: World, it_is: Callable[[datetime], None], error: str, asked: list[str]
) -> None:
    watched(world)
    world.publish("2026-08")
    assert world.tick(SENSOR)[0] == ["2026-08"]

    @dg.op
    def failing() -> None:
        raise dg.Failure(f"{error}: it is told here")

    @dg.job(name="green_trips_job")
    def job() -> None:
        failing()

    job.execute_in_process(instance=world.instance, raise_on_error=False, tags={"dagster/partition": "2026-08"})
    later(it_is, minutes=10)
    assert world.tick(SENSOR)[0] == asked


def test_a_run_that_a_person_canceled_is_not_requested_again(world: World, it_is: Callable[[datetime], None]) -> None:
    watched(world)
    world.publish("2026-08")
    assert world.tick(SENSOR)[0] == ["2026-08"]
    dead_run(world, "2026-08", status=dg.DagsterRunStatus.CANCELED)
    later(it_is, days=2)
    assert world.tick(SENSOR)[0] == []
    world.publish("2026-08", etag='"second"', rows=150)
    assert world.tick(SENSOR)[0] == ["2026-08"]


def test_a_run_that_dagster_will_retry_is_left_to_it(world: World, it_is: Callable[[datetime], None]) -> None:
    watched(world)
    world.publish("2026-08")
    world.tick(SENSOR)
    dead_run(world, "2026-08", dagster__will_retry="true")
    later(it_is, hours=1)
    assert world.tick(SENSOR)[0] == []


@pytest.mark.parametrize("recorded", [False, True])
def test_a_request_that_never_became_a_run_is_made_again(
    world: World, it_is: Callable[[datetime], None], recorded: bool
) -> None:
    watched(world)
    world.publish("2026-08")
    assert world.tick(SENSOR)[0] == ["2026-08"]
    if recorded:
        world.instance.create_run_for_job(
            world.definitions.resolve_job_def("green_trips_job"), tags={"dagster/partition": "2026-08"}
        )
    later(it_is, minutes=59)
    assert world.tick(SENSOR)[0] == []
    later(it_is, minutes=1)
    assert world.tick(SENSOR)[0] == ["2026-08"]


def test_months_that_failed_before_the_sensor_began_are_requested_once_their_file_changes(world: World) -> None:
    world.publish("2026-07")
    world.cdn.put(AUGUST, PAGE, '"broken"')
    world.publish("2026-09")
    assert not world.load("2026-08").success
    world.tick(SENSOR)
    assert world.tick(SENSOR)[0] == []
    world.publish("2026-08", etag='"whole"')
    assert world.tick(SENSOR)[0] == ["2026-08"]


def test_a_sensor_whose_state_was_lost_finds_what_it_had_requested(world: World) -> None:
    world.publish("2026-09")
    world.publish("2026-08", etag='"whole"')
    dead_run(world, "2026-08", status=dg.DagsterRunStatus.FAILURE, dagster__run_key='green 2026-08 "broken" try 2')
    world.tick(SENSOR)
    assert world.tick(SENSOR)[0] == ["2026-08"]


def test_the_state_of_an_older_release_is_taken_over(world: World) -> None:
    world.publish("2026-08")
    dead_run(world, "2026-08", dagster__run_key='green 2026-08 "broken"')
    world.cursors[SENSOR] = json.dumps({"next": "2026-09", "checked": "", "seen": {"2026-08": '"broken"'}})
    assert world.tick(SENSOR)[0] == ["2026-08"]
    assert world.cursor(SENSOR)["requested"]["2026-08"]["version"] == '"first"'
    assert world.cursor(SENSOR)["seen"] == {}


def test_one_file_that_the_source_fails_on_keeps_no_other_waiting(world: World) -> None:
    for month in ("2026-05", "2026-06", "2026-07"):
        world.publish(month)
        world.note_loaded(month)
    world.tick(SENSOR)
    world.publish("2026-06", etag='"second"', rows=150)
    world.cdn.failing.add("trip-data/green_tripdata_2026-05.parquet")
    told = [world.tick(SENSOR) for _ in range(2)]
    assert [asked for asked, _ in told] == [[], ["2026-06"]]
    assert "does not answer; the next tick asks it again" in (told[0][1] or "")


def test_a_broken_replacement_is_fetched_once_and_not_at_every_tick(world: World) -> None:
    world.publish("2026-08")
    world.note_loaded("2026-08")
    world.tick(SENSOR)
    world.cdn.put(AUGUST, PAGE, '"third"')
    world.tick(SENSOR)
    before = len(world.cdn.requests)
    world.tick(SENSOR)
    assert [request.method for request in world.cdn.requests[before:]] == ["HEAD", "HEAD"]


def test_a_file_without_an_etag_is_told_by_its_size_and_then_by_its_date() -> None:
    on = "Thu, 22 Feb 2024 15:04:05 GMT"
    assert RemoteFile("", 5, '"e"', on).version == '"e"'
    assert RemoteFile("", 5, None, on).version == "5"
    assert RemoteFile("", None, None, on).version == on
