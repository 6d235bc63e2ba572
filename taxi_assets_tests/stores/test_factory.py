"""Stores opened from places, without a connection to any service."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import storage
from pydantic import SecretStr

from taxi_assets.month import Month
from taxi_assets.settings.places import BigQuery, Bucket, DuckDB, Folder, Server
from taxi_assets.stores.base import Store, TableSlice
from taxi_assets.stores.factory import SCHEMA, dsn_of, open_lake, open_postgres, open_warehouse
from taxi_assets.stores.lake.gcs.store import GCSLake

DSN = "postgresql://alice:secret@localhost/trips"
TRIPS = TableSlice("clean/trips", Month(2024, 1))


def test_a_folder_and_a_bucket_are_lakes(tmp_path: Path) -> None:
    folder = open_lake(Folder(tmp_path / "lake"), tmp_path)
    assert folder.file_uri("raw", "a.csv") == f"file://{tmp_path}/lake/raw/a.csv"
    bucket = open_lake(Bucket("trips", "lake"), tmp_path)
    assert bucket.uri(TRIPS) == "gs://trips/lake/clean/trips/month=2024-01/trips.parquet"
    whole_bucket = open_lake(Bucket("trips", ""), tmp_path)
    assert whole_bucket.file_uri("raw", "a.csv") == "gs://trips/raw/a.csv"


def test_a_server_is_reached_by_its_dsn() -> None:
    server = Server(SecretStr(DSN))
    assert dsn_of(server) == DSN
    assert open_postgres(server).table_name("trips") == f"{SCHEMA}.trips"
    assert open_postgres(server, schema="other").table_name("trips") == "other.trips"


def test_a_duckdb_file_and_a_dataset_are_warehouses(tmp_path: Path) -> None:
    assert open_warehouse(DuckDB(tmp_path / "w.duckdb"), schema="other").table_name("trips") == "other.trips"
    assert open_warehouse(BigQuery("project", "dataset")).table_name("trips") == "project.dataset.trips"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: open_lake(Folder(path), path),
        lambda path: open_lake(Bucket("trips", "lake"), path, locks=path),
        lambda path: open_postgres(Server(SecretStr(DSN))),
        lambda path: open_warehouse(DuckDB(path / "w.duckdb")),
        lambda path: open_warehouse(BigQuery("project", "dataset")),
    ],
    ids=["folder", "bucket", "server", "duckdb", "bigquery"],
)
def test_stores_go_to_other_processes(opened: Callable[[Path], Store], tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert type(pickle.loads(pickle.dumps(store))) is type(store)  # noqa: S301 - written here


def test_a_client_is_opened_at_the_first_request_and_once(gcs: object, tmp_path: Path) -> None:
    opened: list[storage.Client] = []

    def open_client() -> storage.Client:
        opened.append(storage.Client())
        return opened[-1]

    lake = GCSLake(open_client, storage.Client().create_bucket("opened-once").name, "", tmp_path, patience=20)
    assert opened == []
    assert (lake.months("trips"), lake.pinned().months("trips"), lake.count(TRIPS)) == ([], [], 0)
    assert len(opened) == 1
