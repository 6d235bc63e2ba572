"""A month that is published again with next to nothing in it: the run stops, and every store keeps what it has."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from taxi_assets.automation.run_errors import failed_checks, failed_steps
from taxi_assets_tests.cleaning.months import GREEN_TRIP, PICKUP, month_of, written
from taxi_assets_tests.homes import LAKE_LAYERS, TRIPS_LAYERS, Home
from taxi_assets_tests.stores.servers import new_database

MONTH = "2022-01"
TRIPS = [
    trip.but(dropoff_datetime=PICKUP + timedelta(hours=2))
    for trip in GREEN_TRIP.each(pickup_datetime=[PICKUP + timedelta(minutes=minute) for minute in range(60)])
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    source = tmp_path_factory.mktemp("source")
    database = new_database(postgres_url)
    return Home(tmp_path_factory.mktemp("home"), TAXI_SOURCE=str(source), TAXI_POSTGRES=database)


def file_of(home: Home) -> Path:
    return Path(home.variables["TAXI_SOURCE"], "trip-data", f"green_tripdata_{MONTH}.parquet")


def publish(home: Home, trips: Sequence[object] = TRIPS) -> pa.Table:
    file_of(home).parent.mkdir(exist_ok=True)
    written(month_of(*trips), file_of(home).parent, GREEN_TRIP.dataset)
    return pq.read_table(file_of(home))


def rows_everywhere(home: Home) -> list[int]:
    """Rows of the month in the lake, in Postgres and in the warehouse."""
    with home.in_environment():
        lake = home.definitions.load_asset_value(["green", "clean_trips"], partition_key=MONTH)
    [(in_postgres,)] = home.postgres("SELECT count(*) FROM taxi.green_trips")
    with duckdb.connect(home.settings.warehouse.path, read_only=True) as warehouse:
        [(in_warehouse,)] = warehouse.execute("SELECT count(*) FROM taxi.green_trips").fetchall()
    return [len(lake), in_postgres, in_warehouse]


def emptied(table: pa.Table) -> pa.Table:
    return table.slice(0, 0)


def american(table: pa.Table) -> pa.Table:
    for name in ("lpep_pickup_datetime", "lpep_dropoff_datetime"):
        times = pc.strftime(table[name], "%m/%d/%Y %I:%M:%S %p")
        table = table.set_column(table.schema.get_field_index(name), name, times)
    return table


def cleaned(home: Home, month: str = MONTH, **config: object) -> dg.ExecuteInProcessResult:
    """Fetch and clean the month, and no more."""
    layers = (f"green/{layer}" for layer in LAKE_LAYERS)
    run_config = {"ops": {"green__clean_trips": {"config": config}}}
    return home.execute("green_trips_job", month, *layers, run_config=run_config)


def loaded(home: Home) -> dg.ExecuteInProcessResult:
    """Load the month everywhere, without its summaries and its page."""
    return home.execute("green_trips_job", MONTH, *(f"green/{layer}" for layer in TRIPS_LAYERS))


def refusal(result: dg.ExecuteInProcessResult) -> str:
    """What the check says, where that alone stopped the run and nothing was stored."""
    assert not result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert not made & {"green/clean_trips", "green/quarantined_trips"}
    assert failed_steps(result.all_events) == [], "what the check says already"
    [check] = failed_checks(result.all_events, dg.AssetCheckSeverity.ERROR)
    assert check.where == "green/clean_trips"
    return check.what


@pytest.mark.slow
def test_a_good_month_stays_everywhere_until_the_loss_is_accepted(home: Home) -> None:
    good = publish(home)
    assert loaded(home).success
    assert rows_everywhere(home) == [60, 60, 60]
    pq.write_table(emptied(good), file_of(home))
    refused = home.taxi("run", "green", MONTH)
    assert refused.returncode == 1
    assert refused.stdout.count("check not_shrunk failed: green 2022-01") == 1
    assert refused.stdout.count("--accept-shrunk") == 1
    assert rows_everywhere(home) == [60, 60, 60]
    assert home.taxi("run", "green", MONTH, "--accept-shrunk").returncode == 0
    assert rows_everywhere(home) == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [emptied, american, lambda table: table.slice(0, 20)])
def test_a_version_that_lost_too_much_is_refused_until_it_is_accepted(home: Home, spoil) -> None:
    good = publish(home)
    assert cleaned(home).success
    pq.write_table(spoil(good), file_of(home))
    assert "The version that is loaded has 60 rows, 60 clean and 0 in quarantine" in refusal(cleaned(home))
    assert cleaned(home, accept_shrunk=True).success
    assert cleaned(home).success, "a version that was accepted is the usual one"


def test_the_audit_log_knows_the_month_where_the_lake_lost_it(home: Home) -> None:
    good = publish(home)
    assert loaded(home).success
    for file in Path(home.settings.lake, "green", "clean_trips").rglob("*.parquet"):
        file.write_bytes(b"")
    pq.write_table(good.slice(0, 20), file_of(home))
    assert "The version that is loaded has 60 rows" in refusal(cleaned(home))


def test_other_rules_are_applied_without_a_word(home: Home) -> None:
    publish(home, [*TRIPS[:10], *(trip.but(passenger_count=0) for trip in TRIPS[10:])])
    assert cleaned(home).success
    assert cleaned(home, rules=["no_passengers"]).success
    assert cleaned(home).success


def test_a_first_file_without_rows_is_not_loaded(home: Home) -> None:
    pq.write_table(emptied(publish(home)), file_of(home).with_name("green_tripdata_2022-02.parquet"))
    told = refusal(cleaned(home, "2022-02"))
    assert "no row would be loaded. The new version has 0 rows" in told
    assert "No version of it is loaded" in told
    assert cleaned(home, "2022-02", accept_shrunk=True).success
