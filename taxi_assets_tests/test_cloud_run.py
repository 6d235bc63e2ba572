"""A run with the lake in GCS and the warehouse in BigQuery, as a person makes it."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as google_bigquery

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS, expected_defects
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets_tests.homes import REAL_FILES, Home
from taxi_assets_tests.servers.bigquery import BigQueryServer, Request
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.servers import new_database

PROJECT = "project"
AUDIT = (Path(__file__).parents[1] / "docs" / "audit.md").read_text()


@pytest.fixture(scope="module")
def bucket(bigquery: BigQueryServer) -> str:
    """A bucket that the BigQuery emulator can load from."""
    return new_bucket().name


@pytest.fixture(scope="module")
def home(bucket: str, tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    return Home(
        tmp_path_factory.mktemp("home"),
        TAXI_LAKE=f"gs://{bucket}/lake",
        TAXI_POSTGRES=new_database(postgres_url),
        TAXI_WAREHOUSE=f"bigquery://{PROJECT}/taxi?location=US",
    )


@cache
def load_green(home: Home) -> None:
    """Load a month of green with everything that is made of it, once for all tests that look at it."""
    assert home.taxi("run", "green", "2024-02", "--source", "sample").returncode == 0


@pytest.fixture
def lake(bucket: str, tmp_path: Path) -> GCSLake:
    return GCSLake(open_client, bucket, "lake", tmp_path, patience=20)


@pytest.fixture
def rows_in_bigquery(bigquery: BigQueryServer) -> Callable[[str, str], int]:
    client = google_bigquery.Client(PROJECT, credentials=AnonymousCredentials())

    def count(table: str, month: str, dataset: str = "taxi") -> int:
        query = f"SELECT count(*) FROM `{PROJECT}.{dataset}.{table}` WHERE source_month = '{month}-01'"
        return next(iter(client.query_and_wait(query)))[0]

    return count


def test_a_month_of_the_sample_is_loaded_into_the_cloud(
    home: Home, lake: GCSLake, rows_in_bigquery: Callable[[str, str], int]
) -> None:
    ran = home.taxi("run", "yellow", "2024-01", "--source", "sample")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    dirt = expected_defects(dataset_named("yellow"), Month(2024, 1))
    rejected = sum(rows for rule, rows in dirt.items() if rule not in ("no_passengers", "no_distance"))
    january = Month(2024, 1)
    assert lake.count(TableSlice("yellow/quarantined_trips", january)) == rejected
    assert lake.count(TableSlice("yellow/clean_trips", january)) == DEFAULT_ROWS - rejected
    assert rows_in_bigquery("yellow_trips", "2024-01") == DEFAULT_ROWS - rejected
    assert rows_in_bigquery("yellow_daily_trips", "2024-01") > 0
    page = lake.get_file("yellow/report", "yellow_trips_2024-01.html").path.read_text(encoding="utf-8")
    assert "Yellow taxi trips, January 2024" in page
    index = lake.get_file("report", "index.html").path.read_text(encoding="utf-8")
    assert "../yellow/report/yellow_trips_2024-01.html" in index
    shown = home.taxi("status", "yellow", "2024-01", TAXI_SOURCE="sample")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"^2024 all stores +●", shown.stdout, re.M)


@pytest.mark.slow
def test_a_row_in_the_cloud_is_explained_and_nothing_of_it_stays_on_the_disk(home: Home) -> None:
    load_green(home)
    for row in range(3):
        shown = home.taxi("explain", "green", "2024-02", row, "--json")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        told = json.loads(shown.stdout)
        if told["layer"] == "clean":
            break
    assert told["tables"]["warehouse"]["row"]["source_row"] == row
    assert [one["differs_in"] for one in told["tables"].values()] == [[], []]
    assert list((home.folder / "scratch").iterdir()) == []


@pytest.mark.slow
def test_the_audit_log_in_bigquery_answers_the_query_of_the_document(home: Home) -> None:
    home.taxi("run", "fhv", "2022-01", "--source", "sample")
    home.taxi("run", "fhv", "2022-01", "--source", "sample", "--rules", "missing_time")
    [query] = (one for one in re.findall(r"```sql\n(.*?)```", AUDIT, re.DOTALL) if "JSON_VALUE" in one)
    client = google_bigquery.Client(PROJECT, credentials=AnonymousCredentials())
    [row] = [row for row in client.query_and_wait(query) if row["table_name"] == "fhv_trips"]
    assert (row["removed"], row["changed"]) == ("0", "0")
    assert int(row["added"]) > 0


def test_the_zones_are_loaded_into_the_cloud(home: Home, bigquery: BigQueryServer) -> None:
    ran = home.taxi("run", "zones", "--source", "sample")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    client = google_bigquery.Client(PROJECT, credentials=AnonymousCredentials())
    [row] = client.query_and_wait(
        f"SELECT count(*) AS zones, count(borough) AS boroughs FROM `{PROJECT}.taxi.taxi_zones`"
    )
    assert (row["zones"], row["boroughs"]) == (265, 265)


@pytest.mark.slow
def test_assets_in_the_cloud_load_as_dataframes(home: Home) -> None:
    load_green(home)
    for layer in (Layer.RAW, Layer.CLEAN, Layer.QUARANTINE, Layer.POSTGRES, Layer.WAREHOUSE):
        with home.in_environment():
            frame = home.definitions.load_asset_value(["green", layer.value], partition_key="2024-02")
        assert type(frame).__name__ == "DataFrame"
        assert len(frame) > 0


@pytest.mark.slow
def test_nothing_of_a_run_stays_on_the_disk(home: Home) -> None:
    load_green(home)
    assert list((home.folder / "scratch").iterdir()) == []
    assert not (home.folder / "lake").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not REAL_FILES.exists(), reason="TLC's own files are not beside the project")
def test_real_months_go_from_the_bucket_into_bigquery_by_one_job_each(
    bucket: str, tmp_path: Path, bigquery: BigQueryServer, postgres_url: str, rows_in_bigquery: Callable[..., int]
) -> None:
    lake = GCSLake(open_client, bucket, "real", tmp_path / "scratch", patience=20)
    home = Home(  # of its own: real months do not land beside those of the sample
        tmp_path / "home",
        TAXI_LAKE=f"gs://{bucket}/real",
        TAXI_POSTGRES=new_database(postgres_url),
        TAXI_WAREHOUSE=f"bigquery://{PROJECT}/real?location=US",
    )
    assert home.taxi("run", "zones", "--source", REAL_FILES).returncode == 0
    expected = {"2022-01": 62_018, "2022-02": 68_911, "2022-03": 78_033}
    for _ in range(3):
        before = len(bigquery.requests())
        ran = home.taxi("run", "green", "2022-01..2022-03", "--source", REAL_FILES)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        for month, rows in expected.items():
            assert lake.count(TableSlice("green/clean_trips", Month.parse(month))) == rows
            assert rows_in_bigquery("green_trips", month, "real") == rows
        sent = [request for request in bigquery.requests()[before:] if request.method in ("POST", "PUT")]
        loads = [(one, one.body["configuration"]["load"]) for one in sent if is_load_job(one)]
        tables = [load["destinationTable"]["tableId"] for _, load in loads]
        partitions = [month.replace("-", "") for month in expected]
        # One job each for the trips, by reference to the bucket; summaries and audit lines are made here, and go up.
        assert [name for name in tables if name.startswith("green_trips")] == [
            f"green_trips${one}" for one in partitions
        ]
        assert sorted(tables) == sorted(
            [
                *(f"{table}${one}" for table in ("green_trips", "green_daily_trips") for one in partitions),
                *["load_audit"] * 6,
            ]
        )
        assert [load["sourceUris"] for _, load in loads if "sourceUris" in load] == [
            [name.partition("#")[0] for name in lake.read("green/clean_trips", [Month.parse(month)]).objects]
            for month in expected
        ]
        uploads = [(one, load) for one, load in loads if one.path.startswith("/upload")]
        assert {load["destinationTable"]["tableId"].partition("$")[0] for _, load in uploads} == {
            "green_daily_trips",
            "load_audit",
        }
        lines = [one for one, load in uploads if load["destinationTable"]["tableId"] == "load_audit"]
        assert max(one.body_bytes for one in lines) < 30_000
        assert max(one.body_bytes for one in sent if not one.path.startswith("/upload")) < 10_000


def is_load_job(request: Request) -> bool:
    return "load" in (request.body or {}).get("configuration", {})
