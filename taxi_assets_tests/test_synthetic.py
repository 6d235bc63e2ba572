"""Synthetic data says what it is wherever it shows, and no home holds both kinds."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import dagster as dg
import duckdb
import pytest

from taxi_assets.automation.run_errors import failed_steps
from taxi_assets.catalog import DATASETS, DEFAULT_RULES, dataset_named
from taxi_assets.cleaning import cleaned_month, zone_rows
from taxi_assets.cli import demo, runs
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.sample import write_tree
from taxi_assets.settings import Settings
from taxi_assets.settings.places import Sample
from taxi_assets.source.data_kind import SourceRecord
from taxi_assets.source.synthetic import SYNTHETIC, is_synthetic
from taxi_assets.stores.arrow import description
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.load_log import Entry
from taxi_assets_tests.cleaning.months import GREEN_TRIP, month_of, written
from taxi_assets_tests.homes import LAKE_LAYERS, REAL_FILES, Home
from taxi_assets_tests.report.lakes import Months
from taxi_assets_tests.stores.servers import new_database

GREEN, JANUARY = dataset_named("green"), Month(2022, 1)
RAW = "green/raw_trips"


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the sample wrote."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_tree(folder, rows=200, months=[(dataset, Month(2022, 1)) for dataset in DATASETS])
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, synthetic: Path) -> Path:
    """A folder whose files do not say that they are synthetic, as TLC's do not."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "trip-data").mkdir()
    (folder / "misc").mkdir()
    written(month_of(*[GREEN_TRIP] * 3), folder / "trip-data", GREEN)
    zones = (synthetic / "misc" / "taxi_zone_lookup.csv").read_text()
    (folder / "misc" / "taxi_zone_lookup.csv").write_text(zones.replace("Sample zone", "Zone"))
    return folder


def raw_file(path: Path) -> RawFile:
    return RawFile(path, path.as_uri(), path.stat().st_size, sha256_of(path), None)


def month_in(folder: Path) -> RawFile:
    return raw_file(folder / "trip-data" / "green_tripdata_2022-01.parquet")


NO_SERVER = "postgresql://127.0.0.1:1/none"  # raw files need none; each home's own takes longer to start than a run


def fetched(
    home: Path, source: object, job: str = "green_trips_job", *keys: str, postgres: str = NO_SERVER
) -> dg.ExecuteInProcessResult:
    month = None if "zones" in job else "2022-01"
    return Home(home, TAXI_SOURCE=str(source), TAXI_POSTGRES=postgres).execute(job, month, *keys or (RAW,))


def why(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    return failed_steps(result.all_events)[0].what


def test_every_file_that_the_sample_writes_says_that_it_is_synthetic(synthetic: Path) -> None:
    files = [path for path in synthetic.rglob("*") if path.is_file()]
    assert len(files) == len(DATASETS) + 2
    assert all(is_synthetic(path) for path in files)


@pytest.mark.skipif(not REAL_FILES.exists(), reason="TLC's own files are not beside the project")
def test_no_file_of_tlc_does() -> None:
    files = [*REAL_FILES.glob("trip-data/*.parquet"), *REAL_FILES.glob("misc/*.csv"), *REAL_FILES.glob("misc/*.zip")]
    assert files
    assert not any(is_synthetic(path) for path in files)


@pytest.mark.parametrize("source", ["sample", "its folder"])
def test_a_home_of_real_months_refuses_synthetic_ones_by_a_sentence_that_names_another(
    tmp_path: Path, synthetic: Path, real: Path, source: str
) -> None:
    assert fetched(tmp_path, real).success
    told = why(fetched(tmp_path, "sample" if source == "sample" else synthetic))
    assert f"{tmp_path} holds TLC's data" in told
    assert f"TAXI_HOME={tmp_path / 'demo'}" in told
    zones = fetched(tmp_path, synthetic, "taxi_zones_job", "zones/raw_zones")
    assert "is synthetic data: the two do not mix" in why(zones)
    assert fetched(tmp_path, real).success


def test_a_home_of_synthetic_months_refuses_real_ones(tmp_path: Path, synthetic: Path, real: Path) -> None:
    home = tmp_path / "demo"
    assert fetched(home, synthetic, "taxi_zones_job", "zones/raw_zones").success
    told = why(fetched(home, real))
    assert f"{home} holds synthetic data" in told
    assert f"TAXI_HOME={tmp_path}" in told
    assert not list((home / "lake").rglob("green_tripdata*"))
    assert fetched(home, "sample").success


def test_tlc_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "source.json").write_text('{"synthetic": true}')
    with pytest.raises(InvalidRequest, match="is TLC's data"):
        SourceRecord(tmp_path / "source.json").check_url("https://d37ci6vzurychx.cloudfront.net")


@pytest.mark.parametrize("text", [None, "", "{", '{"synthetic": "maybe"}', "[]"])
def test_without_a_record_that_can_be_read_the_lake_tells(
    tmp_path: Path, synthetic: Path, real: Path, text: str | None
) -> None:
    months = Months(tmp_path)
    months.load_sample(GREEN, JANUARY, rows=200)
    record = SourceRecord(tmp_path / "source.json")
    if text is not None:
        record.path.write_text(text)
    with pytest.raises(InvalidRequest, match="holds synthetic data"):
        record.check_and_record(month_in(real), months.lake)
    record.check_and_record(month_in(synthetic), months.lake)
    assert record.is_synthetic() is True


def test_of_two_kinds_that_come_at_once_one_is_refused(tmp_path: Path, synthetic: Path, real: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    for number in range(10):
        record, both = SourceRecord(tmp_path / str(number) / "source.json"), Barrier(2)

        def admit(raw: RawFile, record: SourceRecord = record, both: Barrier = both) -> bool:
            both.wait()
            try:
                record.check_and_record(raw, lake)
            except InvalidRequest:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            admitted = list(threads.map(admit, [month_in(synthetic), month_in(real)]))
        assert admitted == [record.is_synthetic(), not record.is_synthetic()]


def test_synthetic_months_do_not_replace_tlc_s_in_tables_that_another_home_shares(
    tmp_path: Path, synthetic: Path, postgres_url: str
) -> None:
    home = Home(tmp_path / "home", TAXI_POSTGRES=new_database(postgres_url))
    known = {"taxi/source_url": "https://d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_2022-01.parquet"}
    entry = Entry("load_audit", "warehouse", "run", "alice", datetime.now(tz=UTC), known)
    with cleaned_month(month_in(synthetic), GREEN, JANUARY, DEFAULT_RULES, tmp_path) as cleaned:
        warehouse = DuckDBStore(home.settings.warehouse.path, "taxi", "source_month")
        warehouse.replace(TableSlice("green_trips", JANUARY), cleaned.clean, entry)
    layers = [GREEN.path(layer) for layer in LAKE_LAYERS]
    told = why(fetched(home.folder, synthetic, "green_trips_job", *layers, postgres=home.postgres_url))
    assert "the tables hold green 2022-01 from https://d37ci6vzurychx.cloudfront.net" in told


def test_rows_of_a_synthetic_file_say_so_in_metadata_and_in_the_table_s_comment(
    tmp_path: Path, synthetic: Path, real: Path
) -> None:
    for folder, says in ((synthetic, True), (real, False)):
        with cleaned_month(month_in(folder), GREEN, JANUARY, DEFAULT_RULES, tmp_path) as cleaned:
            assert cleaned.clean.provenance[SYNTHETIC] == cleaned.quarantine.provenance[SYNTHETIC] == str(says).lower()
            assert description(cleaned.clean.schema).startswith("Synthetic data") == says
            store = DuckDBStore(tmp_path / f"{says}.duckdb", "taxi", "source_month")
            store.replace(TableSlice("green_trips", JANUARY), cleaned.clean)
        with duckdb.connect(tmp_path / f"{says}.duckdb") as connection:
            [(comment,)] = connection.execute(
                "SELECT comment FROM duckdb_tables() WHERE table_name = 'green_trips'"
            ).fetchall()
        assert comment.startswith("Synthetic data, made by the sample source") == says
        zones = zone_rows(raw_file(folder / "misc" / "taxi_zone_lookup.csv"))
        assert description(zones.schema).startswith("Synthetic data") == says


def test_a_page_says_that_its_trips_are_synthetic_and_compares_them_with_no_real_ones(
    tmp_path: Path, synthetic: Path, real: Path
) -> None:
    months = Months(tmp_path)
    months.load_sample(GREEN, Month(2021, 1), rows=200)
    months.load_sample(GREEN, JANUARY, rows=200)
    page = months.page(GREEN, JANUARY)
    assert "Synthetic data. The built-in sample source of taxi_assets generated these trips." in page.text
    assert "New York City Taxi & Limousine Commission" not in page.text
    assert "the same weekday of January 2021" in page.text
    months.load(GREEN, JANUARY, month_in(real).path)
    page = months.page(GREEN, JANUARY)
    assert "Synthetic" not in page.text
    assert "January 2021 is not loaded" in page.text


def test_the_zones_come_from_the_source_of_the_months_once(tmp_path: Path, real: Path, synthetic: Path) -> None:
    def asked(source: Path) -> list[str]:
        variables = {"TAXI_HOME": str(tmp_path / "home"), "TAXI_SOURCE": str(source)}
        return [one.name for one in runs.zones_requests(Settings.from_environment(variables))]

    bare = tmp_path / "bare"
    (bare / "trip-data").mkdir(parents=True)
    assert asked(real) == ["zones"]
    assert fetched(tmp_path / "home", real, "taxi_zones_job", "zones/raw_zones").success
    assert asked(real) == []
    assert asked(synthetic) == ["zones"], "those of another source"
    assert asked(bare) == [], "a mirror of the trips alone does with the zones that are there"
    next((tmp_path / "home" / "lake" / "zones").rglob("taxi_zone_lookup.csv")).unlink()
    assert asked(bare) == ["zones"]


@pytest.mark.slow
def test_a_mirror_without_zones_is_a_warning(tmp_path: Path, postgres_url: str) -> None:
    home = Home(tmp_path / "home", TAXI_SOURCE=str(tmp_path), TAXI_POSTGRES=new_database(postgres_url))
    (tmp_path / "trip-data").mkdir()
    written(month_of(*[GREEN_TRIP] * 4), tmp_path / "trip-data", GREEN)
    ran = home.taxi("run", "green", "2022-01")
    assert ran.returncode == 0
    assert "zones is odd in zones/raw_zones: SourceUnavailable" in ran.stdout


def test_status_and_audit_say_that_a_home_is_synthetic(tmp_path: Path) -> None:
    home = Home(tmp_path, TAXI_SOURCE="sample", TAXI_POSTGRES="postgresql://127.0.0.1:1/none")
    said = "synthetic data, made by the sample source"
    assert said not in home.taxi("status", "green", "--store", "lake").stdout
    (tmp_path / "source.json").write_text('{"synthetic": true}')
    assert said in home.taxi("status", "green", "--store", "lake").stdout
    assert json.loads(home.taxi("status", "green", "--store", "lake", "--json").stdout)["synthetic"] is True


def test_the_demo_has_a_home_and_records_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "shared"))
    monkeypatch.setenv("TAXI_WAREHOUSE", "bigquery://project/trips")
    settings = demo.demo_settings()
    assert (settings.home, settings.source) == (tmp_path / "demo", Sample())
    assert settings.dagster_home == tmp_path / "demo" / "dagster"
    assert Path(settings.lake) == tmp_path / "demo" / "lake"
    told = demo.next_steps(settings)
    assert "warehouse  BigQuery, project project, dataset trips" in told
    assert f"TAXI_HOME={tmp_path / 'demo'} TAXI_SOURCE=sample make dev" in told
    monkeypatch.delenv("TAXI_WAREHOUSE")
    monkeypatch.delenv("TAXI_HOME")
    monkeypatch.chdir(tmp_path)
    told = demo.next_steps(demo.demo_settings())
    assert f"warehouse  {tmp_path / '.taxi' / 'demo' / 'warehouse.duckdb'}, schema taxi" in told
    assert "TAXI_HOME=.taxi/demo TAXI_SOURCE=sample .venv/bin/taxi psql" in told
    assert "into .taxi\n" in told
