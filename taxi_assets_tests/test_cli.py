"""The `taxi` command as a person uses it: real stores, the sample source."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import DATASETS, Layer, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS, expected_defects, write_tree
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.homes import REAL_FILES, TAXI, Home
from taxi_assets_tests.stores.servers import folder_for_server, new_database


class EmbeddedHome(Home):
    """One with the embedded stores."""

    def __init__(self, folder: Path, **variables: str) -> None:
        super().__init__(folder, **variables)
        self._loaded: dict[tuple[str, ...], subprocess.CompletedProcess[str]] = {}

    def loaded(self, *what: str) -> subprocess.CompletedProcess[str]:
        """What `taxi run` said when it loaded that of the sample, once for all tests that need it."""
        if what not in self._loaded:
            ran = self._loaded[what] = self.taxi("run", *what, "--source", "sample")
            assert ran.returncode == 0, ran.stdout + ran.stderr
        return self._loaded[what]

    def lake_rows(self, table: str, month: str) -> int:
        [path] = Path(self.settings.lake, table).glob(f"month={month}/*.parquet")
        return pq.read_metadata(path).num_rows

    def warehouse(self, query: str) -> list[tuple]:
        with duckdb.connect(self.settings.warehouse.path, read_only=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def home() -> Iterator[EmbeddedHome]:
    with folder_for_server() as folder:
        embedded_url(folder)  # for as long as this process lives, so that no command waits for it
        yield EmbeddedHome(folder.parent)


@pytest.mark.slow
def test_every_command_is_a_program(home: EmbeddedHome, tmp_path: Path) -> None:
    """The other tests call the commands within their own process, which spares each the program's start."""
    for command, said in [
        (("run", "fhv", "2022-02"), "fhv 2022-02"),
        (("status", "fhv", "2022-02"), "all stores"),
        (("explain", "fhv", "2022-02", "0"), "pickup_datetime"),
        (("audit", "fhv", "2022-02"), "1 version"),
        (("check", "fhv", "2022-02"), "the tables hold what the lake holds"),
        (("sample", tmp_path / "tlc", "--rows", 100), str(tmp_path / "tlc")),
        (("psql", "--no-align", "--tuples-only", "-c", "SELECT count(*) > 0 FROM fhv_trips"), "t\n"),
    ]:
        ran = home.taxi_process(*command, TAXI_SOURCE="sample")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert said in ran.stdout


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_month_of_the_sample_is_loaded_everywhere_and_every_row_is_accounted_for(home: EmbeddedHome, dataset) -> None:
    ran = home.loaded(dataset.name, "2024-01")
    table = f"{dataset.name}_trips"
    dirt = expected_defects(dataset, Month(2024, 1))
    rejected = sum(rows for rule, rows in dirt.items() if rule not in ("no_passengers", "no_distance"))
    clean = DEFAULT_ROWS - rejected
    assert home.lake_rows(dataset.path(Layer.QUARANTINE), "2024-01") == rejected
    assert home.lake_rows(dataset.path(Layer.CLEAN), "2024-01") == clean
    assert home.warehouse(f"SELECT count(*) FROM taxi.{table} WHERE source_month = '2024-01-01'") == [(clean,)]
    assert home.postgres(f"SELECT count(*) FROM taxi.{table} WHERE source_month = '2024-01-01'") == [(clean,)]
    assert re.search(rf" {DEFAULT_ROWS:,} +{clean:,} +{rejected} +{clean:,} +{clean:,} ", ran.stdout)
    page = Path(home.settings.lake) / dataset.path(Layer.REPORT) / f"{table}_2024-01.html"
    assert f"page of {dataset.name} 2024-01: {page.as_uri()}" in ran.stdout
    assert page.exists()
    index = Path(home.settings.lake) / "report" / "index.html"
    assert f"index of all months: {index.as_uri()}" in ran.stdout
    assert f"../{dataset.name}/report/{page.name}" in index.read_text(encoding="utf-8")
    assert ("voided_trip" in ran.stdout) == (dataset.total is not None)


def test_the_zones_are_loaded_with_their_texts_as_they_are(home: EmbeddedHome) -> None:
    home.loaded("zones")
    assert home.warehouse("SELECT zone, service_zone FROM taxi.taxi_zones WHERE location_id = 264") == [("N/A", "N/A")]
    assert home.postgres("SELECT count(*), count(borough) FROM taxi.taxi_zones") == [(265, 265)]


@pytest.mark.slow
def test_months_run_again_in_any_order_leave_the_same_tables(home: EmbeddedHome) -> None:
    home.loaded("fhv", "2023-11..2023-12")
    query = "SELECT source_month, count(*), sum(source_row) FROM taxi.fhv_trips GROUP BY 1 ORDER BY 1"
    before = home.warehouse(query), home.postgres(query)
    again = home.taxi("run", "fhv", "2023-11..2023-12", "--source", "sample")
    assert again.returncode == 0
    assert (home.warehouse(query), home.postgres(query)) == before


def test_the_status_shows_what_is_where(home: EmbeddedHome) -> None:
    home.loaded("green", "2024-01")
    shown = home.taxi("status", "green", "2024-01", TAXI_SOURCE="sample")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"^2024 all stores +●", shown.stdout, re.M)


def test_a_row_is_explained(home: EmbeddedHome) -> None:
    home.loaded("green", "2024-01")
    shown = home.taxi("explain", "green", "2024-01", "0")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "lpep_pickup_datetime" in shown.stdout
    assert home.taxi("explain", "green", "2024-01", "--", "-1").returncode == 2


@pytest.mark.slow
def test_the_rules_that_are_asked_for_replace_the_default_ones(home: EmbeddedHome) -> None:
    rules = "no_passengers,no_distance"
    assert home.taxi("run", "green", "2023-05", "--source", "sample", "--rules", rules).returncode == 0
    found = home.warehouse(
        "SELECT min(passenger_count), min(trip_distance) > 0, min(total_amount) < 0 FROM taxi.green_trips "
        "WHERE source_month = '2023-05-01'"
    )
    assert found == [(1, True, True)]
    [path] = Path(home.settings.lake).glob("green/quarantined_trips/month=2023-05/*.parquet")
    quarantine = pq.read_table(path, partitioning=None)
    assert set(quarantine["rule"].to_pylist()) == {"unreadable_value", "no_passengers", "no_distance"}


def test_runs_are_recorded_in_the_instance_that_the_ui_shows(home: EmbeddedHome) -> None:
    home.loaded("zones")
    with dg.DagsterInstance.from_config(str(home.settings.dagster_home)) as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name="taxi_zones_job"))
        event = instance.get_latest_materialization_event(dg.AssetKey(["zones", "postgres_zones"]))
    assert runs[0].status == dg.DagsterRunStatus.SUCCESS
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/table_name"].value == "taxi.taxi_zones"
    assert metadata["dagster/column_schema"].value.columns[0].type == "smallint"
    assert len(metadata["taxi/source_sha256"].value) == 64


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "purple", "2024-01"), "TLC publishes yellow, green, fhv, fhvhv"),
        (("run", "green"), "say which month"),
        (("run", "green", "January"), "write it as 2024-01"),
        (("run", "green", "2024-13"), "write it as 2024-01"),
        (("run", "green", "2024-02..2024-01"), "ends before it begins"),
        (("run", "green", "2013-12"), "green begins with 2014-01"),
        (("run", "green", "2999-01"), "not over yet"),
        (("run", "green", "2024-01", "--rules", "no_fun"), "The rules are unreadable_value"),
        (("run", "green", "2024-01", "--source", "gopher://tlc"), "TAXI_SOURCE"),
        (("run", "zones", "2024-01"), "neither months nor rules"),
        (("status", "purple"), "TLC publishes"),
    ],
)
def test_a_wrong_request_is_told_in_one_line_that_says_what_to_do(
    home: EmbeddedHome, arguments: tuple[str, ...], told: str
) -> None:
    refused = home.taxi(*arguments, TAXI_SOURCE="sample")
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_month_that_is_not_published_says_which_one_is_the_last(home: EmbeddedHome, tmp_path: Path) -> None:
    write_tree(tmp_path, rows=500, months=[(dataset_named("green"), Month(2024, 1))])
    refused = home.taxi("run", "green", "2024-03", "--source", tmp_path)
    assert refused.returncode == 1
    assert "2024-01" in refused.stdout
    assert "has not published green 2024-03" in refused.stdout


def test_a_broken_file_is_named_and_the_month_that_was_there_stays(home: EmbeddedHome, tmp_path: Path) -> None:
    home.loaded("yellow", "2024-01")
    before = home.warehouse("SELECT count(*) FROM taxi.yellow_trips WHERE source_month = '2024-01-01'")
    broken = tmp_path / "trip-data" / "yellow_tripdata_2024-01.parquet"
    broken.parent.mkdir()
    broken.write_text("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>")
    refused = home.taxi("run", "yellow", "2024-01", "--source", tmp_path)
    assert refused.returncode == 1
    assert "AccessDenied" in refused.stdout
    assert home.warehouse("SELECT count(*) FROM taxi.yellow_trips WHERE source_month = '2024-01-01'") == before


def test_missing_columns_are_named_with_the_file(home: EmbeddedHome, tmp_path: Path) -> None:
    write_tree(tmp_path, rows=500, months=[(dataset_named("green"), Month(2023, 8))])
    path = tmp_path / "trip-data" / "green_tripdata_2023-08.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["lpep_pickup_datetime", "fare_amount"]), path)
    refused = home.taxi("run", "green", "2023-08", "--source", tmp_path)
    assert refused.returncode == 1
    assert "green_tripdata_2023-08.parquet lacks lpep_pickup_datetime, fare_amount" in refused.stdout


@pytest.mark.slow
def test_a_postgres_that_does_not_answer_is_told_without_its_password(home: EmbeddedHome) -> None:
    url = "postgresql://taxi:hush-hush@127.0.0.1:1/taxi"
    refused = home.taxi("run", "zones", "--source", "sample", TAXI_POSTGRES=url)
    assert refused.returncode == 1
    assert "127.0.0.1" in refused.stdout
    assert "hush-hush" not in refused.stdout + refused.stderr


@pytest.mark.slow
def test_a_sample_can_be_written_and_loaded_from_its_folder(home: EmbeddedHome, tmp_path: Path) -> None:
    written = home.taxi("sample", tmp_path / "tlc", "--rows", 200)
    assert written.returncode == 0
    assert len(list((tmp_path / "tlc" / "trip-data").iterdir())) == sum(len(dataset.eras) for dataset in DATASETS)
    assert home.taxi("run", "yellow", "2010-02..2010-03", "--source", tmp_path / "tlc").returncode == 1
    assert home.taxi("run", "yellow", "2010-02", "--source", tmp_path / "tlc").returncode == 0


def test_clean_months_load_as_dataframes(home: EmbeddedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.loaded("fhvhv", "2024-01")
    for layer in (Layer.RAW, Layer.CLEAN, Layer.QUARANTINE, Layer.POSTGRES, Layer.WAREHOUSE):
        frame = home.definitions.load_asset_value(["fhvhv", layer.value], partition_key="2024-01")
        assert type(frame).__name__ == "DataFrame"
        assert len(frame) > 0


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_run_that_is_killed_at_any_time_is_put_right_by_the_next_one(home: EmbeddedHome) -> None:
    command = [TAXI, "run", "green", "2021-01", "--source", "sample"]
    assert subprocess.run(command, env=home.environment(), capture_output=True, check=False).returncode == 0
    count = "SELECT count(*) FROM taxi.green_trips WHERE source_month = '2021-01-01'"
    whole = home.warehouse(count)[0][0]
    for seconds in (1.0, 2.0, 2.5, 3.0, 3.5, 4.0):
        process = subprocess.Popen(
            command, env=home.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert home.warehouse(count) == [(whole,)]
        assert home.postgres(count) == [(whole,)]
    assert subprocess.run(command, env=home.environment(), capture_output=True, check=False).returncode == 0
    assert home.lake_rows("green/clean_trips", "2021-01") == whole


@pytest.fixture(scope="module")
def real_home(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> EmbeddedHome:
    """Another one, since real months do not land beside those of the sample."""
    return EmbeddedHome(tmp_path_factory.mktemp("real_home"), TAXI_POSTGRES=new_database(postgres_url))


@pytest.mark.xdist_group("real months")
@pytest.mark.skipif(not REAL_FILES.exists(), reason="TLC's own files are not beside the project")
@pytest.mark.parametrize(
    ("dataset", "months", "clean"),
    [
        ("green", "2022-01", {"2022-01": 62_018}),
        pytest.param("green", "2022-02..2022-03", {"2022-02": 68_911, "2022-03": 78_033}, marks=pytest.mark.slow),
        pytest.param("green", "2023-01..2023-02", {"2023-01": 67_820, "2023-02": 64_372}, marks=pytest.mark.slow),
        pytest.param("yellow", "2009-01", {"2009-01": 13_912}, marks=pytest.mark.slow),
        pytest.param("yellow", "2018-12", {"2018-12": 9_994}, marks=pytest.mark.slow),
        pytest.param("yellow", "2025-01", {"2025-01": 10_000}, marks=pytest.mark.slow),
        ("fhv", "2020-04", {"2020-04": 500}),
        ("fhvhv", "2020-04", {"2020-04": 500}),
    ],
)
def test_real_months_have_the_rows_that_were_counted_by_hand(
    real_home: EmbeddedHome, dataset: str, months: str, clean: dict[str, int]
) -> None:
    home = real_home
    assert home.taxi("run", dataset, months, "--source", REAL_FILES).returncode == 0
    for month, rows in clean.items():
        where = f"SELECT count(*) FROM taxi.{dataset}_trips WHERE source_month = '{month}-01'"
        assert home.lake_rows(f"{dataset}/clean_trips", month) == rows
        assert home.warehouse(where) == [(rows,)]
        assert home.postgres(where) == [(rows,)]
