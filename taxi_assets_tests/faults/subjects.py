"""The stores that faults happen to, and the month that is replaced in them meanwhile."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from taxi_assets.errors import StoreError
from taxi_assets.month import Month
from taxi_assets.stores.arrow import with_key
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.bigquery.client import open_client
from taxi_assets.stores.bigquery.store import BigQueryStore
from taxi_assets.stores.lake.gcs.client import open_client as open_gcs
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.conftest import environment
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.contract import MONTH_COLUMN
from taxi_assets_tests.stores.versions import ROWS, AnyStore, rows_of, version_of

from .proxies import HttpProxy

JANUARY = Month(2024, 1)
IN_LAKE, IN_TABLE = TableSlice("clean/trips", JANUARY), TableSlice("trips", JANUARY)
MANY_ROWS = 60_000  # whose file is larger than the smallest piece of an upload that Google takes
FEW_ROWS = 500  # the BigQuery emulator takes a second and a half to give 30,000


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A store, and how a version of the month gets into it.

    Attributes:
        name: of the store, as in the table.
        rows: those of a version, made or brought to where the store finds them.
        count: rows of a version.
    """

    name: str
    store: AnyStore
    piece: TableSlice = IN_TABLE
    rows: Callable[[int], Rows] = rows_of
    count: int = ROWS

    def replace(self, version: int) -> None:
        self.store.replace(self.piece, self.rows(version))

    def version(self) -> int:
        """The version that is there, whole."""
        return version_of(self.store, self.piece, self.count)

    def failure_of_a_replace(self, version: int) -> StoreError:
        with pytest.raises(StoreError) as caught:
            self.replace(version)
        return caught.value

    def outcome(self, error: StoreError, old: int, new: int) -> str:
        """What is said of a replace that failed; the month is whole, or this fails."""
        found = self.version()
        assert found in (old, new)
        return f"{type(error).__name__}, {'old' if found == old else 'new'} month"


@dataclass(frozen=True, kw_only=True)
class HttpSubject(Subject):
    """A store with a proxy between it and its server."""

    proxy: HttpProxy

    def requests_of_a_replace(self, version: int) -> list[str]:
        """Replace without a fault, and tell the requests."""
        self.proxy.forget()
        self.replace(version)
        return self.proxy.requests


#: Called with the seconds that the store goes on asking, and that a single request waits for its answer.
Make = Callable[[float, float], HttpSubject]


@dataclass(frozen=True)
class RowsInTheLake:
    """Rows that BigQuery loads from GCS by itself."""

    lake: GCSLake

    def __call__(self, version: int) -> Rows:
        self.lake.replace(IN_LAKE, with_key(rows_of(version, FEW_ROWS), MONTH_COLUMN, JANUARY))
        return self.lake.read(IN_LAKE.table, [JANUARY])


def gcs_at_once(url: str, folder: Path, patience: float) -> Subject:
    return Subject(name="GCS", store=_lake(url, folder, patience), piece=IN_LAKE)


def gcs_in_pieces(url: str, folder: Path, patience: float) -> Subject:
    rows = partial(rows_of, rows=MANY_ROWS)
    return Subject(name="GCS", store=_lake(url, folder, patience), piece=IN_LAKE, rows=rows, count=MANY_ROWS)


def bigquery_by_upload(url: str, folder: Path, patience: float) -> Subject:
    rows = partial(rows_of, rows=FEW_ROWS)
    return Subject(name="BigQuery", store=_tables(url, folder, patience), rows=rows, count=FEW_ROWS)


def bigquery_by_reference(url: str, folder: Path, patience: float) -> Subject:
    rows = RowsInTheLake(GCSLake(open_gcs, new_bucket().name, "lake", folder / "scratch"))
    return Subject(name="BigQuery", store=_tables(url, folder, patience), rows=rows, count=FEW_ROWS)


def _lake(url: str, folder: Path, patience: float) -> GCSLake:
    lake = GCSLake(open_gcs, new_bucket().name, "lake", folder / "scratch", patience=patience)
    with environment(STORAGE_EMULATOR_HOST=url):
        lake.months(IN_LAKE.table)  # Google's client is made now
    return lake


def _tables(url: str, folder: Path, patience: float) -> BigQueryStore:
    dataset = re.sub(r"\W", "_", folder.name)
    store = BigQueryStore(
        partial(open_client, "project", "US"), "project", dataset, MONTH_COLUMN, location="US", patience=patience
    )
    with environment(BIGQUERY_EMULATOR_HOST=url):
        store.months(IN_TABLE.table)
    return store
