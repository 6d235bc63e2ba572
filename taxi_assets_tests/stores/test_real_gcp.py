"""The stores in the cloud against Google's own services: `make test-gcp PROJECT=…`, see docs/real-gcp.md.

Everything is made under a name of its own, in a bucket and a dataset that are deleted at the end.
"""

import os
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.sample import write_month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.bigquery.client import open_client
from taxi_assets.stores.bigquery.store import BigQueryStore
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.rows import Rows

from .contract import FEBRUARY, JANUARY, MONTH_COLUMN, StoreContract, TableContract, numbered
from .test_bigquery import TestBigQuery as BigQueryContract
from .test_lake import TestLake as LakeContract

PROJECT = os.environ.get("TAXI_TESTS_GCP_PROJECT")
LOCATION = os.environ.get("TAXI_TESTS_GCP_LOCATION") or "US"

if not PROJECT:
    pytest.skip("no project of Google Cloud: make test-gcp PROJECT=…", allow_module_level=True)


@pytest.fixture(scope="module")
def name() -> str:
    """A name that nobody has."""
    return f"taxi_assets_tests_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def bucket(name: str) -> Iterator[storage.Bucket]:
    bucket = storage.Client(PROJECT).create_bucket(name.replace("_", "-"), location=LOCATION)
    yield bucket
    for blob in bucket.list_blobs():
        blob.delete()
    bucket.delete()


@pytest.fixture(scope="module")
def client() -> bigquery.Client:
    """Google's own client; without credentials where an emulator takes the service's place."""
    credentials = AnonymousCredentials() if os.environ.get("BIGQUERY_EMULATOR_HOST") else None
    return bigquery.Client(PROJECT, credentials=credentials, location=LOCATION)


@pytest.fixture(scope="module")
def datasets(client: bigquery.Client) -> Iterator[list[str]]:
    """Names of datasets to delete."""
    names: list[str] = []
    yield names
    for one in names:
        client.delete_dataset(one, delete_contents=True, not_found_ok=True)


@pytest.fixture
def lake(bucket: storage.Bucket, tmp_path: Path) -> GCSLake:
    return GCSLake(storage.Client, bucket.name, tmp_path.name, tmp_path / "scratch")


@pytest.fixture
def store(name: str, datasets: list[str]) -> BigQueryStore:
    """A dataset for each test, made by the store."""
    datasets.append(f"{name}_{len(datasets)}")
    return BigQueryStore(
        partial(open_client, PROJECT, LOCATION), PROJECT, datasets[-1], MONTH_COLUMN, location=LOCATION
    )


class TestRealGCS(StoreContract):
    table = "clean/trips"
    frame_types: ClassVar[dict[str, pa.DataType]] = LakeContract.frame_types

    @pytest.fixture
    def store(self, lake: GCSLake) -> GCSLake:
        return lake


class TestRealBigQuery(TableContract):
    wider: ClassVar[dict[pa.DataType, pa.DataType]] = BigQueryContract.wider
    frame_types: ClassVar[dict[str, pa.DataType]] = BigQueryContract.frame_types
    test_names_need_no_care = BigQueryContract.test_names_need_no_care

    @pytest.fixture
    def store(self, store: BigQueryStore) -> BigQueryStore:
        return store


def test_a_cleaned_month_is_loaded_by_reference_with_every_value(
    lake: GCSLake, store: BigQueryStore, tmp_path: Path
) -> None:
    """That BigQuery reads the lake's Parquet: delta encoding, required columns, 16-bit integers, naive times."""
    dataset, month = dataset_named("yellow"), Month(2024, 1)
    raw = tmp_path / dataset.file_name(month)
    write_month(dataset, month, raw, rows=5_000)
    piece = TableSlice(dataset.path(Layer.CLEAN), month)
    with cleaned_month(RawFile(raw, "", 0, "", None), dataset, month, ["negative_amount"], tmp_path) as cleaned:
        lake.replace(piece, cleaned.clean)
    given = lake.read(piece.table, [month])
    store.replace(TableSlice(dataset.table, month), given)
    found = store.read(dataset.table, [month]).to_table().sort_by("source_row")
    kept = given.to_table().sort_by("source_row")
    assert repr(found.to_pydict()) == repr(kept.select(found.column_names).to_pydict())


def test_columns_that_an_object_lacks_are_null(lake: GCSLake, store: BigQueryStore) -> None:
    months = pa.array([JANUARY.first_day, FEBRUARY.first_day])
    for month, table in (
        (JANUARY, numbered(fare=pa.array([1.0]))),
        (FEBRUARY, numbered(fee=pa.array([0.75]))),
    ):
        piece = TableSlice("clean/trips", month)
        lake.replace(piece, Rows.from_table(table.append_column(MONTH_COLUMN, months.slice(month.number - 1, 1))))
        store.replace(TableSlice("trips", month), lake.read("clean/trips", [month]))
    found = store.read("trips").to_table().sort_by(MONTH_COLUMN)
    assert found.select(["fare", "fee"]).to_pydict() == {"fare": [1.0, None], "fee": [None, 0.75]}


@pytest.mark.skipif("BIGQUERY_EMULATOR_HOST" in os.environ, reason="an emulator bills nothing")
def test_a_query_of_a_month_is_billed_for_that_month(store: BigQueryStore) -> None:
    """That partitions are left out of a scan, which the metadata `taxi/scan_bytes` promises."""
    rows = numbered(fare=pa.array([1.0] * 10_000))
    one = store.replace(TableSlice("trips", JANUARY), Rows.from_table(rows)).scan_bytes
    two = store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(rows)).scan_bytes
    assert one == two
    assert one is not None
    assert 0 < one < 10_000 * 40
