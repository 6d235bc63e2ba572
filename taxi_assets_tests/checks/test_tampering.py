"""Tables that somebody changed by hand: each check says what is wrong with them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google_bigquery

from taxi_assets.catalog import dataset_named
from taxi_assets.cli import runs
from taxi_assets.cli.console import LOGGER, Terminal
from taxi_assets.definitions import build_definitions
from taxi_assets.month import Month
from taxi_assets_tests.homes import TRIPS_LAYERS, Home
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.servers import name_of_database, new_database

PROJECT = "project"
GREEN = dataset_named("green")
# What is done to a month of the table, and what the check says of it.
TAMPERING = {
    "a deleted row": (
        "DELETE FROM {table} WHERE source_month = '{month}-01' AND source_row = 7",
        ["4,949 rows instead of 4,950: 1 missing", "a total of "],
    ),
    "a changed amount": (
        "UPDATE {table} SET total_amount = total_amount + 5, fare_amount = fare_amount + 5 "
        "WHERE source_month = '{month}-01' AND source_row = 7",
        ["+5.00", "other values in fare_amount, total_amount"],
    ),
    "a doubled month": (
        "INSERT INTO {table} SELECT * FROM {table} WHERE source_month = '{month}-01'",
        ["9,900 rows: each of the 4,950 is there 2 times", "a total of "],
    ),
    "a swapped column": (
        "UPDATE {table} SET pickup_location_id = dropoff_location_id, dropoff_location_id = pickup_location_id "
        "WHERE source_month = '{month}-01'",
        ["pickup_location_id and dropoff_location_id are exchanged"],
    ),
    "a changed flag": (
        "UPDATE {table} SET store_and_fwd_flag = CASE store_and_fwd_flag WHEN 'Y' THEN 'N' ELSE 'Y' END "
        "WHERE source_month = '{month}-01' AND source_row = 7",
        ["other values in store_and_fwd_flag"],
    ),
}
MONTH = Month(2024, 1)
TRIPS = [f"green/{layer}" for layer in TRIPS_LAYERS]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    home = Home(tmp_path_factory.mktemp("untouched"), TAXI_SOURCE="sample", TAXI_POSTGRES=new_database(postgres_url))
    assert home.execute("green_trips_job", str(MONTH), *TRIPS).success
    return home


@pytest.fixture
def laptop(untouched: Home, tmp_path: Path) -> Home:
    """A copy, in a tenth of a run's time."""
    shutil.copytree(untouched.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    database = new_database(untouched.postgres_url, name_of_database(untouched.postgres_url))
    return Home(tmp_path, TAXI_SOURCE="sample", TAXI_POSTGRES=database)


@pytest.fixture(scope="module")
def loaded_cloud(bigquery: BigQueryServer, tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    bucket = new_bucket().name
    home = Home(
        tmp_path_factory.mktemp("cloud"),
        TAXI_SOURCE="sample",
        TAXI_LAKE=f"gs://{bucket}/lake",
        TAXI_POSTGRES=new_database(postgres_url),
        TAXI_WAREHOUSE=f"bigquery://{PROJECT}/tampered?location=US",
    )
    assert home.execute("green_trips_job", str(MONTH), *TRIPS).success
    in_bigquery(home, "CREATE TABLE `project.tampered.kept` AS SELECT * FROM {table}")
    return home


@pytest.fixture
def cloud(loaded_cloud: Home) -> Iterator[Home]:
    """The same, put right again after each test."""
    yield loaded_cloud
    in_bigquery(loaded_cloud, "DELETE FROM {table} WHERE source_month = '{month}-01'")
    in_bigquery(loaded_cloud, "INSERT INTO {table} SELECT * FROM `project.tampered.kept`")


def in_postgres(home: Home, statement: str) -> None:
    with psycopg.connect(home.postgres_url, autocommit=True) as connection:
        connection.execute(sql(statement, "taxi.green_trips"))


def in_duckdb(home: Home, statement: str) -> None:
    with duckdb.connect(home.settings.warehouse.path) as connection:
        connection.execute(sql(statement, "taxi.green_trips"))


def in_bigquery(home: Home, statement: str) -> None:
    client = google_bigquery.Client(PROJECT, credentials=AnonymousCredentials())
    client.query_and_wait(sql(statement, f"`{PROJECT}.tampered.green_trips`"))


def sql(statement: str, table: str) -> str:
    return statement.replace("{table}", table).replace("{month}", str(MONTH))


def differences(home: Home) -> dict[str, str]:
    """What the check `equals_clean` says of the month, by asset; no other check fails."""
    definitions = build_definitions(home.settings, Terminal().loggers)
    with home.in_environment(), runs.instance_of(home.settings) as instance:
        outcome = runs.run(definitions, instance, runs.checks_request(GREEN, MONTH), LOGGER)
    assert not outcome.loaded
    return dict(failure.split(": check equals_clean failed: ") for failure in outcome.failures)


def assert_named(told: str, what: str) -> None:
    _, expected = TAMPERING[what]
    assert [text for text in expected if text not in told] == []


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_done_to_a_table_in_postgres_and_duckdb_is_named(laptop: Home, what: str) -> None:
    statement = TAMPERING[what][0]
    in_postgres(laptop, statement)
    in_duckdb(laptop, statement)
    told = differences(laptop)
    assert told.keys() == {"green/postgres_trips", "green/warehouse_trips"}
    for store in ("postgres", "warehouse"):
        text = told[f"green/{store}_trips"]
        assert_named(text, what)
        assert text.startswith(f"green {MONTH} in {store}: ")
        assert text.endswith(f". To load the month again: taxi run green {MONTH}")


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_done_to_a_table_in_bigquery_is_named(cloud: Home, what: str) -> None:
    in_bigquery(cloud, TAMPERING[what][0])
    told = differences(cloud)
    assert told.keys() == {"green/warehouse_trips"}
    assert_named(told["green/warehouse_trips"], what)


def test_tables_that_nobody_touched_pass(untouched: Home) -> None:
    checks = untouched.taxi("check", "green", MONTH)
    assert (checks.returncode, checks.stdout.strip()) == (0, f"green {MONTH}: the tables hold what the lake holds")


def test_a_check_without_a_month_says_how_to_give_one(untouched: Home) -> None:
    with untouched.in_environment(), runs.instance_of(untouched.settings) as instance:
        job = untouched.definitions.resolve_job_def("green_trips_checks_job")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    told = [
        event.step_failure_data.user_failure_data.description for event in result.all_events if event.is_step_failure
    ]
    assert told
    assert all("taxi check green 2024-01" in text for text in told)
