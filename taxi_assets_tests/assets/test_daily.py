"""The daily summary in both stores, against an independent computation from the clean rows."""

import duckdb
import pandas as pd
import psycopg
import pytest

from taxi_assets.catalog import DAILY_IN, Dataset, Layer, daily_schema, dataset_named
from taxi_assets.stores.factory import dsn_of
from taxi_assets_tests.homes import LAKE_LAYERS

from .conftest import MONTH, Project

pytestmark = pytest.mark.slow  # for the world that they share

DATASETS = [dataset_named(name) for name in ("green", "fhv", "fhvhv")]


@pytest.fixture(scope="module")
def loaded(project: Project) -> Project:
    """The summaries of the month, made twice."""
    for dataset in DATASETS:
        daily = [dataset.path(layer) for layer in DAILY_IN.values()]
        made = [dataset.path(layer) for layer in LAKE_LAYERS]
        project.run(f"{dataset.table}_job", MONTH, *made, *daily)
        project.run(f"{dataset.table}_job", MONTH, *daily)
    return project


def keys_of(dataset: Dataset) -> list[str]:
    return [
        name for name in ("pickup_date", "pickup_location_id", "payment_type") if name in daily_schema(dataset).names
    ]


def expected(loaded: Project, dataset: Dataset) -> pd.DataFrame:
    """The same with pandas alone."""
    trips = loaded.definitions.load_asset_value(dataset.key(Layer.CLEAN), partition_key=MONTH)
    trips["pickup_date"] = trips["pickup_datetime"].dt.date
    trips["minutes"] = (trips["dropoff_datetime"] - trips["pickup_datetime"]).dt.total_seconds() / 60
    if dataset.charge_columns:
        first, *others = dataset.charge_columns
        trips["revenue"] = trips[first] + trips[others].fillna(0).sum(axis=1)
    measures = {
        "trips": ("pickup_datetime", "size"),
        "passengers": ("passenger_count", lambda column: column.sum(min_count=1)),
        "miles": (dataset.distance, "sum"),
        "revenue": ("revenue", "sum"),
        "tips": (dataset.tips, lambda column: column.sum(min_count=1)),
        "median_duration_minutes": ("minutes", "median"),
    }
    wanted = {name: of for name, of in measures.items() if name in daily_schema(dataset).names}
    return trips.groupby(keys_of(dataset), dropna=False).agg(**wanted).reset_index()


@pytest.mark.parametrize("layer", DAILY_IN.values())
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_the_summary_is_that_of_an_independent_computation(loaded: Project, dataset: Dataset, layer: Layer) -> None:
    keys, wanted = keys_of(dataset), expected(loaded, dataset)
    found = loaded.definitions.load_asset_value(dataset.key(layer), partition_key=MONTH)
    assert list(found.columns) == [*wanted.columns, "source_month"]
    found["pickup_date"] = pd.to_datetime(found["pickup_date"]).dt.date
    left, right = (frame.sort_values(keys, ignore_index=True) for frame in (found[wanted.columns], wanted))
    pd.testing.assert_frame_equal(left, right, check_dtype=False, atol=0.006)
    assert left["trips"].sum() == right["trips"].sum() > 4_000


def test_whole_numbers_and_days_keep_their_types(loaded: Project) -> None:
    with duckdb.connect(loaded.settings.warehouse.path, read_only=True) as warehouse:
        types = dict(
            warehouse.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'green_daily_trips'"
            ).fetchall()
        )
    assert types == {
        "pickup_date": "DATE",
        "pickup_location_id": "SMALLINT",
        "payment_type": "SMALLINT",
        "trips": "BIGINT",
        "passengers": "BIGINT",
        "miles": "DOUBLE",
        "revenue": "DOUBLE",
        "tips": "DOUBLE",
        "median_duration_minutes": "DOUBLE",
        "source_month": "DATE",
    }


def test_the_columns_are_described_in_both_stores(loaded: Project) -> None:
    wanted = {field.name: field.metadata[b"description"].decode() for field in daily_schema(dataset_named("green"))}
    with duckdb.connect(loaded.settings.warehouse.path, read_only=True) as warehouse:
        query = "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'green_daily_trips'"
        in_warehouse = dict(warehouse.execute(query).fetchall())
    with psycopg.connect(dsn_of(loaded.settings.postgres)) as postgres:
        in_postgres = dict(
            postgres.execute(
                "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
                "WHERE attrelid = 'taxi.green_daily_trips'::regclass AND attnum > 0"
            ).fetchall()
        )
    assert wanted.items() <= in_warehouse.items()
    assert wanted.items() <= in_postgres.items()


def test_one_store_alone_can_be_made_again(loaded: Project) -> None:
    result = loaded.run("green_trips_job", MONTH, "green/warehouse_daily_trips")
    made = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
    assert made == ["green/warehouse_daily_trips"]


def test_a_month_with_nothing_has_a_summary_of_the_same_types(loaded: Project, tmp_path) -> None:
    from taxi_assets.report import daily_trips
    from taxi_assets.stores.rows import Rows

    green = dataset_named("green")
    frame = daily_trips(Rows(green.schema, lambda: []), green, tmp_path)
    assert len(frame) == 0
    assert Rows.from_pandas(frame).schema.equals(daily_schema(green))
