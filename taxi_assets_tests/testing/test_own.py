"""Our own IO managers hold what the conformance kit asks for."""

import io
from collections.abc import Callable
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import storage
from psycopg.rows import dict_row

from taxi_assets.io_managers import (
    BigQueryIOManager,
    DuckDBIOManager,
    GCSLakeIOManager,
    LakeIOManager,
    PostgresIOManager,
)
from taxi_assets.resources import DuckDBResource, PostgresResource
from taxi_assets.resources.google_cloud import BigQueryResource, GCSResource
from taxi_assets.stores.bigquery.client import open_client
from taxi_assets.testing import AtomicSliceReplace
from taxi_assets_tests.forks import FORKS
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer, new_bucket
from taxi_assets_tests.stores.servers import new_database

ReadRows = Callable[[], list[dict[str, Any]]]


class Own(AtomicSliceReplace):
    rows = 5_000
    replaces = 5
    kills = 10

    @staticmethod
    def stream(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        return reader

    @classmethod
    def processes(cls) -> BaseContext:
        return FORKS

    @pytest.mark.faults
    @pytest.mark.timeout(900)
    def test_a_killed_process_leaves_the_old_or_the_new_rows(
        self, instance: dg.DagsterInstance, make_io_manager: Any, read_rows: Any
    ) -> None:
        super().test_a_killed_process_leaves_the_old_or_the_new_rows(instance, make_io_manager, read_rows)

    @pytest.mark.slow
    def test_a_reader_sees_the_old_or_the_new_rows(
        self, instance: dg.DagsterInstance, make_io_manager: Any, read_rows: Any
    ) -> None:
        super().test_a_reader_sees_the_old_or_the_new_rows(instance, make_io_manager, read_rows)


def duckdb_in(file: Path) -> DuckDBIOManager:
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(file)))


class TestDuckDB(Own):
    @pytest.fixture
    def make_io_manager(self, tmp_path: Path) -> Callable[[], DuckDBIOManager]:
        return partial(duckdb_in, tmp_path / "own.duckdb")

    @pytest.fixture
    def read_rows(self, tmp_path: Path) -> ReadRows:
        def rows() -> list[dict[str, Any]]:
            with duckdb.connect(tmp_path / "own.duckdb") as connection:
                return connection.sql("FROM public.readings").to_arrow_table().to_pylist()

        return rows


def postgres_at(url: str) -> PostgresIOManager:
    return PostgresIOManager(postgres=PostgresResource(url=url))


class TestPostgres(Own):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return new_database(postgres_url)

    @pytest.fixture
    def make_io_manager(self, url: str) -> Callable[[], PostgresIOManager]:
        return partial(postgres_at, url)

    @pytest.fixture
    def read_rows(self, url: str) -> ReadRows:
        def rows() -> list[dict[str, Any]]:
            with psycopg.connect(url, row_factory=dict_row) as connection:
                return connection.execute("SELECT * FROM readings").fetchall()

        return rows


class TestLake(Own):
    @pytest.fixture
    def make_io_manager(self, tmp_path: Path) -> Callable[[], LakeIOManager]:
        return partial(LakeIOManager, folder=str(tmp_path))

    @pytest.fixture
    def read_rows(self, tmp_path: Path) -> ReadRows:
        """From where the names lead, which stays readable for an hour after a file was replaced."""
        return lambda: [
            row
            for path in [
                path.resolve() for place in ("*", "*/*") for path in tmp_path.glob(f"readings/{place}.parquet")
            ]
            for row in pq.read_table(path).to_pylist()
        ]


def gcs_at(url: str) -> GCSLakeIOManager:
    return GCSLakeIOManager(gcs=GCSResource(), url=url)


@pytest.mark.slow
class TestGCSLake(Own):
    @pytest.fixture
    def bucket(self, gcs: GcsServer) -> storage.Bucket:
        return new_bucket()

    @pytest.fixture
    def make_io_manager(self, bucket: storage.Bucket) -> Callable[[], GCSLakeIOManager]:
        return partial(gcs_at, f"gs://{bucket.name}/lake")

    @pytest.fixture
    def read_rows(self, bucket: storage.Bucket) -> ReadRows:
        def rows() -> list[dict[str, Any]]:
            files = [blob for blob in bucket.list_blobs(prefix="lake/readings/") if "/.versions/" not in blob.name]
            return [row for file in files for row in pq.read_table(io.BytesIO(file.download_as_bytes())).to_pylist()]

        return rows


def bigquery_in(dataset: str) -> BigQueryIOManager:
    return BigQueryIOManager(bigquery=BigQueryResource(project="project", location="US"), dataset=dataset)


@pytest.mark.slow
class TestBigQuery(Own):
    rows = 500  # the emulator takes a second and a half to give 30,000

    @pytest.fixture
    def dataset(self, bigquery: BigQueryServer) -> str:
        return f"kit_{uuid4().hex}"

    @pytest.fixture
    def make_io_manager(self, dataset: str) -> Callable[[], BigQueryIOManager]:
        return partial(bigquery_in, dataset)

    @pytest.fixture
    def read_rows(self, dataset: str) -> ReadRows:
        def rows() -> list[dict[str, Any]]:
            return [
                dict(row) for row in open_client("project", "US").query_and_wait(f"SELECT * FROM {dataset}.readings")
            ]

        return rows
