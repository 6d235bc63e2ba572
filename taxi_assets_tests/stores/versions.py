"""Rows that all tell one version, so that a gap in a slice, or a mix of two versions, shows."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.bigquery.store import BigQueryStore
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.load_log import Entry
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows

TableStore = PostgresStore | DuckDBStore | BigQueryStore
AnyStore = LocalLake | GCSLake | TableStore

ROWS = 30_000
BATCH = 5_000
FEW, FEW_IN_BATCH = 3_000, 500  # in as many batches, where it does not matter how much there is
SCHEMA = pa.schema({"row": pa.int64(), "version": pa.int64(), "fare": pa.float64(), "zone": pa.string()})
ZONES = pa.array([f"zone {number}" for number in range(265)])


def rows_of(version: int, rows: int = ROWS, batch: int = BATCH) -> Rows:
    """Rows in batches of 5,000, made as they are asked for."""

    def open_batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, batch):
            row = np.arange(start, min(start + batch, rows))
            yield pa.record_batch([row, np.full(len(row), version), row / 7, ZONES.take(row % 265)], schema=SCHEMA)

    return Rows(SCHEMA, open_batches)


def few_rows_of(version: int) -> Rows:
    return rows_of(version, FEW, FEW_IN_BATCH)


def months_asked(piece: TableSlice) -> list[Partition] | None:
    return None if piece.partition is None else [piece.partition]


def version_of(store: AnyStore, piece: TableSlice, rows: int = ROWS) -> int:
    """The version that the slice holds, whole."""
    found = store.read(piece.table, months_asked(piece)).to_table()
    versions = found["version"].unique().to_pylist()
    assert (found.num_rows, len(versions)) == (rows, 1)
    assert found["row"].to_numpy().sum() == rows * (rows - 1) // 2
    return int(versions[0])


def replace_in_turn(store: AnyStore, piece: TableSlice, versions: range) -> None:
    """Replace the slice with one version after the other."""
    for version in versions:
        store.replace(piece, few_rows_of(version))


def entry_of(version: int) -> Entry:
    """What the audit log is told of a load of that version."""
    started = datetime(2024, 5, 1, 12, 0, version, 250_000, tzinfo=UTC)
    return Entry("load_audit", "postgres", f"run {version}", "alice", started, {"taxi/source_sha256": f"{version:064}"})


def replace_and_tell_in_turn(store: TableStore, piece: TableSlice, versions: range) -> None:
    """Replace the slice with one version after the other, each with a line in the audit log."""
    for version in versions:
        store.replace(piece, rows_of(version, rows=100), entry_of(version))
