"""What a month is in a store: every state is made for real, by runs, by a server of files and by hand."""

import dagster as dg
import duckdb
import psycopg
import pyarrow as pa
import pytest

from taxi_assets.automation.run_worker import PROCESS, process_tags
from taxi_assets.catalog import Layer
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.factory import dsn_of, opened_stores
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.automation.world import GREEN, World
from taxi_assets_tests.source.cdn import Answer

from .looking import CLEANED, EVERYWHERE, FIRST, LAST, NOT_OUT, SECOND, document, everywhere, make, states, taxi


def spoil_the_warehouse(world: World) -> None:
    """Give its table a value of another type in a column, so that no month can be loaded any more."""
    with duckdb.connect(world.settings.warehouse.path) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS taxi")
        connection.execute(f"CREATE OR REPLACE TABLE taxi.{GREEN.table} (source_month DATE, fare_amount VARCHAR)")
        connection.execute(f"INSERT INTO taxi.{GREEN.table} VALUES ('2014-01-01', 'as agreed')")


def forget_in_postgres(world: World, month: str) -> None:
    with psycopg.connect(dsn_of(world.settings.postgres), autocommit=True) as connection:
        connection.execute(f"DROP TABLE taxi.{GREEN.table}_{month.replace('-', '_')}")


def test_what_a_run_loaded_is_loaded(loaded: World) -> None:
    assert states(LAST) == everywhere("loaded")


def test_what_the_source_has_and_no_store_is_missing(loaded: World) -> None:
    assert states(str(GREEN.first_month)) == states(SECOND) == everywhere("missing")


def test_what_the_source_does_not_have_is_not_published(loaded: World) -> None:
    assert states(NOT_OUT) == everywhere("not_published")


def test_a_month_that_is_gone_from_one_store_is_missing_there(loaded: World) -> None:
    forget_in_postgres(loaded, LAST)
    assert states(LAST) == {**everywhere("loaded"), "postgres": "missing"}


def test_the_same_bytes_fetched_again_make_nothing_stale(loaded: World) -> None:
    make(loaded, LAST, Layer.RAW)
    assert states(LAST) == everywhere("loaded")


@pytest.mark.slow
def test_other_bytes_that_were_fetched_make_stale_what_they_did_not_arrive_in(loaded: World) -> None:
    loaded.publish(LAST, etag='"second"', rows=300)
    make(loaded, LAST, Layer.RAW)
    assert states(LAST) == everywhere("stale")
    make(loaded, LAST, *CLEANED)
    assert states(LAST) == {"lake": "loaded", "postgres": "stale", "warehouse": "stale"}
    make(loaded, LAST, Layer.POSTGRES)
    assert states(LAST) == {**everywhere("loaded"), "warehouse": "stale"}
    make(loaded, LAST, Layer.WAREHOUSE)
    assert states(LAST) == everywhere("loaded")


def test_a_table_of_rows_that_were_cleaned_by_other_rules_is_stale(loaded: World) -> None:
    make(loaded, LAST, *CLEANED, rules=["no_passengers"])
    assert states(LAST) == {"lake": "loaded", "postgres": "stale", "warehouse": "stale"}


def test_a_month_whose_replacement_the_sensor_found_is_stale_until_its_run_is_over(loaded: World) -> None:
    job = loaded.definitions.resolve_job_def("green_trips_job")
    tags = {"dagster/partition": LAST, "taxi/requested_by": "green_trips_published"}
    loaded.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert states(LAST) == everywhere("stale")
    assert document("status", "green", LAST)["problems"][0]["next"] == "a run is under way"


def test_a_run_whose_process_is_gone_is_not_under_way_but_failed(loaded: World) -> None:
    job = loaded.definitions.resolve_job_def("green_trips_job")
    tags = {"dagster/partition": LAST, **process_tags()}
    gone = {**tags, PROCESS: f"{tags[PROCESS].split()[0]} 1.0"}  # another process has that number by now
    loaded.instance.create_run_for_job(job, tags=gone, status=dg.DagsterRunStatus.STARTED)
    assert states(LAST) == everywhere("failed")
    assert document("status", "green", LAST)["problems"][0]["next"] == f"taxi run green {LAST}"


def test_a_run_that_a_person_started_makes_nothing_stale(loaded: World) -> None:
    job = loaded.definitions.resolve_job_def("green_trips_job")
    loaded.instance.create_run_for_job(job, tags={"dagster/partition": LAST}, status=dg.DagsterRunStatus.STARTED)
    assert states(LAST) == everywhere("loaded")


def test_a_month_whose_newest_run_failed_before_it_replaced_anything_is_failed(loaded: World) -> None:
    loaded.cdn.put(f"trip-data/{GREEN.name}_tripdata_{LAST}.parquet", b"<Error>AccessDenied</Error>", '"broken"')
    assert not loaded.load(LAST).success
    assert states(LAST) == everywhere("failed")


def test_a_first_run_that_failed_is_failed_and_not_missing(world: World) -> None:
    world.cdn.put(f"trip-data/{GREEN.name}_tripdata_{LAST}.parquet", b"<Error>AccessDenied</Error>")
    assert not world.load(LAST).success
    assert states(LAST) == everywhere("failed")
    assert taxi("status", "green").exit_code == 1


@pytest.mark.slow
def test_a_run_that_failed_in_one_store_is_failed_there_only(world: World) -> None:
    world.publish(LAST)
    spoil_the_warehouse(world)
    assert not world.load(LAST).success
    assert states(LAST) == {**everywhere("loaded"), "warehouse": "failed"}
    make(world, LAST, Layer.POSTGRES)
    assert states(LAST) == {**everywhere("loaded"), "warehouse": "failed"}
    world.settings.warehouse.path.unlink()
    assert make(world, LAST, Layer.WAREHOUSE).success
    assert states(LAST) == everywhere("loaded")


def test_a_month_that_the_records_know_nothing_of_is_loaded_where_it_is(world: World) -> None:
    world.publish(LAST)
    with opened_stores(world.settings, EVERYWHERE) as stores:
        stores["postgres"]().replace(
            TableSlice(GREEN.table, GREEN.first_month), Rows.from_table(pa.table({"row": [1]}))
        )
    assert states(str(GREEN.first_month)) == {"lake": "missing", "postgres": "loaded", "warehouse": "missing"}


def test_months_are_told_store_by_store_without_the_one_that_does_not_answer(loaded: World) -> None:
    loaded.settings.warehouse.path.unlink()
    loaded.settings.warehouse.path.mkdir()
    told = document("status", "green", LAST)
    assert {one["store"]: one["state"] for one in told["slices"]} == {"lake": "loaded", "postgres": "loaded"}
    assert list(told["silent"]) == ["warehouse"]
    shown = taxi("status", "green", LAST)
    assert shown.exit_code == 1
    assert "warehouse does not answer" in shown.stdout


@pytest.mark.slow
def test_what_lies_after_the_newest_loaded_month_is_not_known_when_the_source_does_not_answer(world: World) -> None:
    for month in (FIRST, LAST):
        world.publish(month)
    assert world.load(FIRST).success
    world.cdn.will(*[Answer(status=503)] * 50)
    assert states(FIRST) == everywhere("loaded")
    assert states(str(GREEN.first_month)) == everywhere("missing")
    assert states(SECOND) == states(LAST) == {}
    told = document("status", "green")
    assert "503" in told["silent"]["source"]
    assert taxi("status", "green").exit_code == 1
