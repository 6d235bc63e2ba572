"""Tables in a BigQuery dataset: one load job replaces a slice.

A load job with WRITE_TRUNCATE replaces one partition: readers see the old rows until the job is
done, and then the new one. BigQuery loads rows that lie in GCS from there. No DML is used: it has quotas, is billed for
a scan, and would leave a gap between DELETE and INSERT.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.cloud import bigquery

from taxi_assets.month import Month
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import storable, type_names, with_key
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.bigquery import empty_partitions
from taxi_assets.stores.bigquery.column_types import TYPES
from taxi_assets.stores.bigquery.connection import Dataset
from taxi_assets.stores.bigquery.definition import ensure_table, typed
from taxi_assets.stores.bigquery.loading import append, load
from taxi_assets.stores.bigquery.reading import find_row, keys_of, read_rows, selection
from taxi_assets.stores.bigquery.tables import (
    DIALECT,
    Partitioning,
    exceeds_native,
    partition_of,
    require_names,
    types_of,
)
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.partition import Key, Partition, key_column, months_among, require_no_overlap
from taxi_assets.stores.rows import Rows


class BigQueryStore:
    """Tables in one dataset; `TableSlice.table` is a table's name without project and dataset.

    Args:
        client: opens Google's client, at the first request and once; picklable where the store has to be.
        project: the project that holds the dataset and is billed.
        dataset: the dataset; created where it does not exist.
        key_column: the column by which tables are partitioned; by default `source_month` for months, `window_start`
            for other windows.
        location: where the dataset is, or is created; None is BigQuery's default for a new dataset (US).
        require_partition_filter: refuse queries that do not select partitions.
        patience: seconds to retry a service that does not answer.
    """

    def __init__(
        self,
        client: Callable[[], bigquery.Client],
        project: str,
        dataset: str,
        key_column: str | None = None,
        *,
        location: str | None = None,
        require_partition_filter: bool = False,
        patience: float = 120,
    ) -> None:
        self._dataset = Dataset(client, project, dataset, location, patience)
        self._key_column = key_column
        self._require_partition_filter = require_partition_filter

    def table_name(self, table: str) -> str:
        """The table's name in SQL."""
        return self._dataset.table_name(table)

    def replace(self, piece: TableSlice, rows: Rows, entry: load_log.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, by one load job; an entry adds a line to the audit table by another.

        Raises:
            SchemaMismatch: the table, or BigQuery, does not have a column's type or cannot have its name.
            StoreUnavailable: the service does not answer or asks for a later retry, or the local disk is full.
            StoreError: the service refuses the rows, or they are of another partition.
            Overtaken: another run replaced what the rows were made from.
        """
        rows = storable(with_key(rows, self._key_column, piece.partition))
        types = type_names(rows.schema, TYPES)
        require_names(piece.table, types)
        options = {"require_partition_filter": self._require_partition_filter}
        partitioning = None
        if piece.partition is not None:
            partitioning = Partitioning.of(key_column(self._key_column, piece.partition), piece.partition)
        with self._dataset.failures():
            rows = typed(self._dataset, piece.table, rows)
            table = ensure_table(self._dataset, piece.table, rows, partitioning, **options)
            if piece.partition is not None and exceeds_native(piece.partition):
                require_no_overlap(self.table_name(piece.table), keys_of(self._dataset, table), piece.partition)
            job = load(self._dataset, table, partition_of(self.table_name(piece.table), piece.partition), rows)
            count = int(job.output_rows or 0)
            if piece.partition is not None and count == 0:
                line = empty_partitions.line_of(table, piece.partition)
                append(self._dataset, empty_partitions.table_of(table), line, f"{job.job_id}_empty", **options)
            if entry is not None:
                # By the service's clock where known: this machine's may be set back between two loads.
                line = entry.line(piece, count, job.ended or load_log.now_after(None))
                append(self._dataset, entry.audit_table, line, f"{job.job_id}_audit", **options)
            types = {name: held for name, held in types_of(table).items() if name in types}
            return Stored(count, None, rows.schema, types, scan_bytes=self._scan_bytes(table, piece))

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of these partitions of it.

        Raises:
            SliceMissing: the table, or a partition of it, does not exist.
        """
        return read_rows(self._dataset, table, self._key_column, partitions)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice; 0 where it does not exist. BigQuery answers from the table's metadata, at no cost."""
        with self._dataset.failures():
            table = self._dataset.table(piece.table)
            if table is None:
                return 0
            query = f"SELECT count(*) FROM {self._selection(table, piece)}"
            return int(next(iter(self._dataset.query(query, _partitions(piece))))[0])

    def digest(self, piece: TableSlice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """A digest of the slice, computed by BigQuery, which bills a scan of it: see `stores.digest`."""
        with self._dataset.failures():
            table = self._dataset.table(piece.table)
            if table is None:
                return Digest(0, 0, dict.fromkeys(parts, 0))
            query = digest_query(DIALECT, self._selection(table, piece), parts, position, total)
            return Digest.of(list(next(iter(self._dataset.query(query, _partitions(piece))))), parts)

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none.

        BigQuery bills the partition, less what a value in a clustering column excludes.
        """
        with self._dataset.failures():
            table = self._dataset.table(piece.table)
            return None if table is None else find_row(self._dataset, table, self._key_column, _partitions(piece), key)

    def keys(self, table: str) -> list[Key]:
        """The keys of the table's partitions that were loaded, in order."""
        with self._dataset.failures():
            found = self._dataset.table(table)
            return [] if found is None else keys_of(self._dataset, found)

    def months(self, table: str) -> list[Month]:
        """The months of the table that were loaded, oldest first."""
        return months_among(self.keys(table))

    def _scan_bytes(self, table: bigquery.Table, piece: TableSlice) -> int:
        return self._dataset.scan_bytes(f"SELECT * FROM {self._selection(table, piece)}", _partitions(piece))

    def _selection(self, table: bigquery.Table, piece: TableSlice) -> str:
        return selection(self._dataset, table, self._key_column, _partitions(piece))


def _partitions(piece: TableSlice) -> list[Partition] | None:
    return None if piece.partition is None else [piece.partition]
