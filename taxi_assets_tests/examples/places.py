"""Where the weather project can keep its rows, and how SQL asks each place for them."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import storage
from psycopg.rows import dict_row

from taxi_assets.stores.bigquery.client import open_client
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.servers import new_database

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A store for the project.

    Attributes:
        environment: what the project reads there.
        query: the rows of a query in which `{readings}` and the like stand for the assets' tables.
    """

    environment: Mapping[str, str]
    query: Callable[[str], list[Row]]


def in_duckdb(folder: Path) -> Place:
    def query(sql: str) -> list[Row]:
        with duckdb.connect(folder / "warehouse.duckdb") as connection:
            return connection.sql(sql.format_map(_Tables("weather.{}"))).to_arrow_table().to_pylist()

    return Place({"WEATHER_STORE": "duckdb", "WEATHER_FOLDER": str(folder)}, query)


def in_postgres(server: str) -> Place:
    url = new_database(server)

    def query(sql: str) -> list[Row]:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(sql.format_map(_Tables("weather.{}"))).fetchall()

    return Place({"WEATHER_STORE": "postgres", "WEATHER_POSTGRES": url}, query)


def in_the_lake(folder: Path) -> Place:
    files = f"read_parquet('{folder}/lake/{{}}/*/*.parquet', union_by_name = true)"

    def query(sql: str) -> list[Row]:
        return duckdb.sql(sql.format_map(_Tables(files))).to_arrow_table().to_pylist()

    return Place({"WEATHER_STORE": "lake", "WEATHER_FOLDER": str(folder)}, query)


def in_google_cloud() -> Place:
    """BigQuery, and for the stations a bucket."""
    project, bucket = f"weather-{uuid4().hex[:12]}", new_bucket()

    def query(sql: str) -> list[Row]:
        if "{stations}" in sql:
            stations = _rows_of(bucket)  # noqa: F841 - the table in the query
            return duckdb.sql(sql.format(stations="stations")).to_arrow_table().to_pylist()
        asked = open_client(project, "US").query_and_wait(sql.format_map(_Tables(f"`{project}.weather.{{}}`")))
        return [dict(row) for row in asked]

    names = {"WEATHER_PROJECT": project, "WEATHER_BUCKET": bucket.name}
    return Place({"WEATHER_STORE": "google", **names}, query)


class _Tables(dict[str, str]):
    """The name of an asset -> its table."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __missing__(self, name: str) -> str:
        return self.form.format(name)


def _rows_of(bucket: storage.Bucket) -> pa.Table:
    files = [blob for blob in bucket.list_blobs(prefix="lake/stations/") if "/.versions/" not in blob.name]
    return pa.concat_tables(pq.read_table(io.BytesIO(file.download_as_bytes())) for file in files)


STORES = ("duckdb", "postgres", "lake", "google")


def place_of(name: str, folder: Path, request: pytest.FixtureRequest) -> Place:
    """A place of that name that holds nothing yet."""
    if name == "postgres":
        return in_postgres(request.getfixturevalue("postgres_url"))
    if name == "google":
        request.getfixturevalue("bigquery")
        return in_google_cloud()
    return in_duckdb(folder) if name == "duckdb" else in_the_lake(folder)
