"""Tables in a Postgres database: a slice is replaced in one transaction.

A partition is copied into a new table, which then takes the place of the present one: readers see the old rows until
the commit, and wait only for the exchange. A killed process leaves nothing behind, since nothing was committed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from taxi_assets.month import Month
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import storable, type_names, with_key
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.digest import Digest, Parts
from taxi_assets.stores.partition import Key, Partition, key_column, kind_of, months_among
from taxi_assets.stores.postgres.column_types import TYPES
from taxi_assets.stores.postgres.connection import Url, connected, take_advisory_lock, transaction
from taxi_assets.stores.postgres.definition import ensure_audit_table, ensure_table
from taxi_assets.stores.postgres.loading import append_audit_line, attach_partition, load_partition, replace_all
from taxi_assets.stores.postgres.names import require_short
from taxi_assets.stores.postgres.reading import digest_of, find_row, read_rows
from taxi_assets.stores.postgres.table_partitions import incoming_of, partition_of
from taxi_assets.stores.postgres.tables import Partitioning, Table
from taxi_assets.stores.rows import Rows


class PostgresStore:
    """Tables in one schema of a database; `TableSlice.table` is a table's name without the schema.

    Args:
        url: a `postgresql://` URL, or a function that returns one for each connection.
        schema: the Postgres schema that holds the tables; created where it does not exist.
        key_column: the column by which tables are partitioned; by default `source_month` for months, `window_start`
            for other windows, `partition_key` for names.
        lock_patience: seconds to retry while others use the table.
    """

    def __init__(self, url: Url, schema: str, key_column: str | None = None, *, lock_patience: float = 300) -> None:
        self._url = url
        self._schema = schema
        self._key_column = key_column
        self._lock_patience = lock_patience

    def table_name(self, table: str) -> str:
        """The table's name in SQL."""
        return f"{self._schema}.{table}"

    def replace(self, piece: TableSlice, rows: Rows, entry: load_log.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, in one transaction; an entry adds a line to the audit table in it.

        Raises:
            SchemaMismatch: the table, or Postgres, does not have a column's type or cannot have its name.
            StoreUnavailable: the server does not answer, refuses or is full, or the table stayed locked.
            StoreError: the server refuses the rows.
            Overtaken: another run replaced what the rows were made from.
        """
        rows = storable(with_key(rows, self._key_column, piece.partition))
        types = type_names(rows.schema, TYPES)
        with connected(self._url) as connection:
            table = Table(connection, self._schema, piece.table)
            written = table if piece.partition is None else incoming_of(table, piece.partition)
            require_short([table.schema, written.name, *types])
            ensure_table(table, rows, self._partitioning(piece), self._lock_patience)
            if entry is not None:
                line = entry.line(piece, 0, entry.started_at)  # its types are those of the one that is written
                ensure_audit_table(Table(connection, self._schema, entry.audit_table), line, self._lock_patience)
            with transaction(connection, writes=True):
                return self._replace(table, piece, rows, entry)

    def _replace(self, table: Table, piece: TableSlice, rows: Rows, entry: load_log.Entry | None) -> Stored:
        take_advisory_lock(table.connection, f"{self._schema}.{piece}")
        if piece.partition is None:
            count = replace_all(table, rows)
        else:
            column = key_column(self._key_column, piece.partition)
            count = load_partition(table, column, piece.partition, rows, self._lock_patience)
        if entry is not None:
            append_audit_line(table.sibling(entry.audit_table), piece, count, entry)
        rows.confirm()  # a newer load of the slice waits from here on until the commit
        if piece.partition is not None:
            attach_partition(table, piece.partition, self._lock_patience)
        written = self._table(table.connection, piece)
        types = {column.name: column.type for column in written.columns()}
        return Stored(count, written.size(), rows.schema, {name: types[name] for name in rows.schema.names})

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of these partitions of it.

        Raises:
            SliceMissing: the table, or a partition of it, does not exist.
        """
        return read_rows(self._url, self._schema, table, self._key_column, partitions)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice; 0 where it does not exist."""
        with connected(self._url) as connection, transaction(connection):
            table = self._table(connection, piece)
            if not table.exists():
                return 0
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
            return int(row[0]) if row is not None else 0

    def digest(self, piece: TableSlice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """A digest of the slice, computed by the server: see `stores.digest`."""
        with connected(self._url) as connection, transaction(connection):
            table = self._table(connection, piece)
            if not table.exists():
                return Digest(0, 0, dict.fromkeys(parts, 0))
            return digest_of(table, parts, position, total)

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        wanted = {
            **key,
            **({} if piece.partition is None else {key_column(self._key_column, piece.partition): piece.partition.key}),
        }
        with connected(self._url) as connection:
            return find_row(connection, Table(connection, self._schema, piece.table), wanted)

    def keys(self, table: str) -> list[Key]:
        """The keys of the table's partitions, in order."""
        with connected(self._url) as connection, transaction(connection):
            return Table(connection, self._schema, table).keys()

    def months(self, table: str) -> list[Month]:
        """The months of the table that exist, oldest first."""
        return months_among(self.keys(table))

    def _partitioning(self, piece: TableSlice) -> Partitioning | None:
        if piece.partition is None:
            return None
        return Partitioning.of(key_column(self._key_column, piece.partition), kind_of(piece.partition))

    def _table(self, connection: psycopg.Connection, piece: TableSlice) -> Table:
        """The table, or the partition, that holds the slice."""
        table = Table(connection, self._schema, piece.table)
        return table if piece.partition is None else partition_of(table, piece.partition)
