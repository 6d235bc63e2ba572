"""Which months are loaded, and what the daily schedule asks for."""

import os
import subprocess

import dagster as dg
import pytest

from taxi_assets.automation.catch_up import months_to_load
from taxi_assets.automation.event_log import failed_months, loaded_months, months_in_progress
from taxi_assets.month import Month
from taxi_assets.source import open_source
from taxi_assets_tests.homes import TAXI

from .world import GREEN, LAYERS, World

JULY, AUGUST = Month(2026, 7), Month(2026, 8)


def run_of(world: World, month: str, status: dg.DagsterRunStatus) -> None:
    """Record a run of the month's job that ended so."""
    job = world.definitions.resolve_job_def("green_trips_job")
    run = world.instance.create_run_for_job(job, tags={"dagster/partition": month}, status=dg.DagsterRunStatus.STARTED)
    if status == dg.DagsterRunStatus.FAILURE:
        world.instance.report_run_failed(run)


def missing(world: World) -> list[Month]:
    return months_to_load(world.instance, open_source(world.settings.source), GREEN)


def test_every_published_month_is_missing_at_first_oldest_first(world: World) -> None:
    world.publish("2026-08")
    assert missing(world)[:2] == [GREEN.first_month, GREEN.first_month.plus(1)]
    assert missing(world)[-1] == AUGUST


def test_a_month_is_loaded_when_every_asset_was_made_of_the_one_before_it(world: World) -> None:
    world.publish("2026-07")
    world.publish("2026-08")
    world.note_loaded("2026-07", "2026-08")
    assert loaded_months(world.instance, GREEN) == {JULY, AUGUST}
    world.instance.report_runless_asset_event(dg.AssetMaterialization(["green", "clean_trips"], partition="2026-07"))
    assert loaded_months(world.instance, GREEN) == {AUGUST}
    assert missing(world)[-1] == JULY


def test_months_that_failed_are_asked_for_after_the_missing_ones(world: World) -> None:
    world.publish("2026-08")
    world.note_loaded("2026-08")
    run_of(world, "2026-08", dg.DagsterRunStatus.FAILURE)
    run_of(world, "2014-01", dg.DagsterRunStatus.FAILURE)
    assert failed_months(world.instance, GREEN) == {AUGUST, GREEN.first_month}
    assert missing(world)[-2:] == [GREEN.first_month, AUGUST]


def test_months_that_a_run_works_on_are_not_asked_for(world: World) -> None:
    world.publish("2026-08")
    run_of(world, "2026-08", dg.DagsterRunStatus.STARTED)
    assert months_in_progress(world.instance, GREEN) == {AUGUST}
    assert AUGUST not in missing(world)


def catch_up(world: World) -> None:
    """Run the schedule's job as the daemon does: in a process that knows the whole code location."""
    home = {"TAXI_HOME": str(world.settings.home), "DAGSTER_HOME": str(world.settings.dagster_home)}
    environment = {**os.environ, **home, "TAXI_SOURCE": str(world.settings.source)}
    command = [TAXI.with_name("dagster"), "job", "execute", "-m", "taxi_assets.definitions", "-j", "catch_up_job"]
    subprocess.run(command, env=environment, check=True, capture_output=True)


@pytest.mark.slow
def test_the_schedule_asks_for_some_months_of_each_dataset_as_a_backfill(world_on_disk: World) -> None:
    catch_up(world_on_disk)
    assert list(world_on_disk.instance.get_backfills()) == []
    world_on_disk.publish(str(Month.current().plus(-3)))  # the schedule's own process has the real clock
    catch_up(world_on_disk)
    [backfill] = world_on_disk.instance.get_backfills()
    assert backfill.title == "catch up: green 2014-01 to 2014-06"
    assert {key.to_user_string() for key in backfill.asset_selection or []} == {
        *(f"green/{layer}" for layer in (*LAYERS, "report")),
        *(f"green/{store}_daily_trips" for store in ("postgres", "warehouse")),
    }


def test_schedules_are_off_until_somebody_switches_them_on(world: World) -> None:
    schedules = {one.name: one for one in world.definitions.get_repository_def().schedule_defs}
    assert schedules["catch_up_schedule"].cron_schedule == "0 5 * * *"
    assert schedules["catch_up_schedule"].execution_timezone == "America/New_York"
    assert {one.default_status for one in schedules.values()} == {dg.DefaultScheduleStatus.STOPPED}
