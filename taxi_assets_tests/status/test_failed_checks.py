"""A month that a check found wrong stays named, whatever the checks of other months say."""

import dagster as dg
import psycopg
import pytest

from taxi_assets.catalog import Layer
from taxi_assets.stores.factory import dsn_of
from taxi_assets_tests.automation.world import GREEN, World

from .looking import FIRST, LAST, SECOND, document, everywhere, make, states, taxi

TABLE = dg.AssetCheckKey(dg.AssetKey(GREEN.key(Layer.POSTGRES)), "equals_clean")


def damage_in_postgres(world: World, month: str) -> None:
    with psycopg.connect(dsn_of(world.settings.postgres), autocommit=True) as connection:
        connection.execute("UPDATE taxi.green_trips SET fare_amount = 7 WHERE source_month = %s", (f"{month}-01",))


@pytest.fixture
def damaged(world: World) -> World:
    """A world with two loaded months: the check failed in the first, and after that passed in the last."""
    for month in (FIRST, LAST):
        world.publish(month)
        assert world.load(month).success
    damage_in_postgres(world, FIRST)
    assert taxi("check", "green", FIRST).exit_code == 1
    assert taxi("check", "green", LAST).exit_code == 0
    return world


@pytest.mark.slow
def test_each_month_has_a_result_of_its_own(damaged: World) -> None:
    found = damaged.instance.event_log_storage.get_asset_check_partition_info([TABLE])
    assert {one.partition_key: one.latest_execution_status.value for one in found} == {
        FIRST: "FAILED",
        LAST: "SUCCEEDED",
    }


@pytest.mark.slow
def test_a_month_that_a_check_found_wrong_is_failed_though_a_later_one_passes(damaged: World) -> None:
    assert states(FIRST) == {**everywhere("loaded"), "postgres": "failed"}
    assert states(LAST) == everywhere("loaded")
    shown = taxi("status", "green", FIRST)
    assert shown.exit_code == 1
    assert f"green {FIRST} check equals_clean failed in postgres: taxi run green {FIRST}" in shown.stdout.splitlines()
    [problem] = document("status", "green", FIRST)["problems"]
    assert problem["failed_checks"] == {"postgres": ["equals_clean"]}
    assert taxi("status", "green", LAST).exit_code == 0


@pytest.mark.slow
def test_a_run_that_loads_the_month_anew_settles_it(damaged: World) -> None:
    assert make(damaged, FIRST, Layer.POSTGRES).success
    assert states(FIRST) == everywhere("loaded")


@pytest.mark.slow
def test_a_run_that_ends_before_it_checks_settles_nothing(damaged: World) -> None:
    job = damaged.definitions.resolve_job_def("green_trips_checks_job")
    run = damaged.instance.create_run_for_job(job, tags={"dagster/partition": FIRST})
    damaged.instance.report_run_failed(run)
    assert states(FIRST) == {**everywhere("loaded"), "postgres": "failed"}


@pytest.mark.slow
def test_a_month_that_was_loaded_since_without_a_check_is_not_named(damaged: World) -> None:
    event = dg.AssetMaterialization(dg.AssetKey(GREEN.key(Layer.POSTGRES)), partition=FIRST)
    damaged.instance.report_runless_asset_event(event)
    assert states(FIRST)["postgres"] == "loaded"


@pytest.mark.slow
def test_what_is_only_odd_is_not_wrong(world: World) -> None:
    world.publish(FIRST)
    world.publish(SECOND, rows=80)
    for month in (FIRST, SECOND):
        assert world.load(month).success
    odd = dg.AssetCheckKey(dg.AssetKey(GREEN.key(Layer.CLEAN)), "rows_as_usual")
    [found] = world.instance.event_log_storage.get_asset_check_partition_info([odd], partition_keys=[SECOND])
    assert found.latest_execution_status.value == "FAILED"
    assert states(SECOND) == everywhere("loaded")
    assert taxi("status", "green", f"{FIRST}..{SECOND}").exit_code == 0
