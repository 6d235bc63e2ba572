"""Tables that somebody changed by hand: each check says what is wrong with them."""

from collections.abc import Callable

import duckdb
import psycopg
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google_bigquery

from taxi_assets import running
from taxi_assets.catalog import dataset_named
from taxi_assets.definitions import build_definitions
from taxi_assets.month import Month
from taxi_assets.stores.embedded_postgres import embedded_url
from taxi_assets.terminal import LOGGER, Terminal
from taxi_assets_tests.homes import Home
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import new_bucket

PROJECT = "project"
GREEN = dataset_named("green")
# What is done to a month of the table, the checks that find it, and what they say.
TAMPERING = {
    "a deleted row": (
        "DELETE FROM {table} WHERE source_month = '{month}-01' AND source_row = 7",
        {
            "rows_equal_clean": "1 missing",
            "total_equals_clean": "instead of",
            "content_equals_clean": "not the same rows",
        },
    ),
    "a changed amount": (
        "UPDATE {table} SET total_amount = total_amount + 5, fare_amount = fare_amount + 5 "
        "WHERE source_month = '{month}-01' AND source_row = 7",
        {"total_equals_clean": "+5.00", "content_equals_clean": "other values in fare_amount, total_amount"},
    ),
    "a doubled month": (
        "INSERT INTO {table} SELECT * FROM {table} WHERE source_month = '{month}-01'",
        {
            "rows_equal_clean": "is there 2 times",
            "total_equals_clean": "instead of",
            "content_equals_clean": "not the same rows",
        },
    ),
    "a swapped column": (
        "UPDATE {table} SET pickup_location_id = dropoff_location_id, dropoff_location_id = pickup_location_id "
        "WHERE source_month = '{month}-01'",
        {"content_equals_clean": "pickup_location_id and dropoff_location_id are exchanged"},
    ),
}
# Each has months of its own.
POSTGRES_MONTHS = dict(zip(TAMPERING, Month(2024, 1).until(Month(2024, 4)), strict=True))
WAREHOUSE_MONTHS = dict(zip(TAMPERING, Month(2024, 5).until(Month(2024, 8)), strict=True))
UNTOUCHED = Month(2024, 9)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("laptop"))
    ran = home.taxi("run", "green", "2024-01..2024-09", "--source", "sample")
    assert ran.returncode == 0, ran.stdout
    return home


@pytest.fixture(scope="module")
def cloud(bigquery: BigQueryServer, tmp_path_factory: pytest.TempPathFactory) -> Home:
    bucket = new_bucket().name
    home = Home(
        tmp_path_factory.mktemp("cloud"),
        TAXI_LAKE=f"gs://{bucket}/lake",
        TAXI_WAREHOUSE=f"bigquery://{PROJECT}/tampered?location=US",
    )
    ran = home.taxi("run", "green", "2024-05..2024-08", "--source", "sample")
    assert ran.returncode == 0, ran.stdout
    return home


def in_postgres(home: Home, statement: str) -> None:
    with psycopg.connect(embedded_url(home.settings.postgres_folder), autocommit=True) as connection:
        connection.execute(statement.replace("{table}", "taxi.green_trips"))


def in_duckdb(home: Home, statement: str) -> None:
    with duckdb.connect(home.settings.duckdb_path) as connection:
        connection.execute(statement.replace("{table}", "taxi.green_trips"))


def in_bigquery(home: Home, statement: str) -> None:
    client = google_bigquery.Client(PROJECT, credentials=AnonymousCredentials())
    client.query_and_wait(statement.replace("{table}", f"`{PROJECT}.tampered.green_trips`"))


def assert_named(home: Home, month: Month, what: str, asset: str, change: Callable[[Home, str], None]) -> None:
    statement, found = TAMPERING[what]
    change(home, statement.replace("{month}", str(month)))
    definitions = build_definitions(home.settings, Terminal().loggers)
    with running.instance_of(home.settings) as instance:
        outcome = running.run(definitions, instance, running.checks_request(GREEN, month), LOGGER)
    assert not outcome.loaded
    failures = dict(failure.removeprefix(f"{asset}: check ").split(" failed: ") for failure in outcome.failures)
    assert failures.keys() == found.keys()
    for check, text in found.items():
        assert text in failures[check]


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_done_to_a_table_in_postgres_is_named(laptop: Home, what: str) -> None:
    assert_named(laptop, POSTGRES_MONTHS[what], what, "postgres/green_trips", in_postgres)


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_done_to_a_table_in_duckdb_is_named(laptop: Home, what: str) -> None:
    assert_named(laptop, WAREHOUSE_MONTHS[what], what, "warehouse/green_trips", in_duckdb)


@pytest.mark.parametrize("what", TAMPERING)
def test_what_was_done_to_a_table_in_bigquery_is_named(cloud: Home, what: str) -> None:
    assert_named(cloud, WAREHOUSE_MONTHS[what], what, "warehouse/green_trips", in_bigquery)


def test_tables_that_nobody_touched_pass(laptop: Home) -> None:
    checks = laptop.taxi("check", "green", UNTOUCHED)
    assert (checks.returncode, checks.stdout.strip()) == (0, f"green {UNTOUCHED}: the tables hold what the lake holds")


def test_a_check_without_a_month_says_how_to_give_one(laptop: Home) -> None:
    with running.instance_of(laptop.settings) as instance:
        job = build_definitions(laptop.settings).resolve_job_def("green_trips_checks_job")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    told = [
        event.step_failure_data.user_failure_data.description for event in result.all_events if event.is_step_failure
    ]
    assert told
    assert all("taxi check green 2024-01" in text for text in told)
