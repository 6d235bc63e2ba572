"""Tables in a Postgres database: a slice is replaced in one transaction.

A month is copied into a new table, which then takes the place of its partition: readers see the old month until the
commit, and wait only for the exchange. A killed process leaves nothing behind, since nothing was committed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from taxi_assets.month import Month
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import storable, type_names, with_month
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.digest import Digest, Parts
from taxi_assets.stores.postgres.connection import Url, connected, take_advisory_lock, transaction
from taxi_assets.stores.postgres.definition import ensure_audit_table, ensure_table
from taxi_assets.stores.postgres.loading import append_audit_line, attach_month, load_month, replace_all
from taxi_assets.stores.postgres.reading import digest_of, find_row, read_rows
from taxi_assets.stores.postgres.table_partitions import incoming_of, partition_of
from taxi_assets.stores.postgres.tables import TYPE_NAMES, Table, require_short
from taxi_assets.stores.rows import Rows


class PostgresStore:
    """Tables in one schema of a database; `TableSlice.table` is a table's name without the schema.

    Args:
        url: a `postgresql://` URL, or a function that returns one for each connection.
        schema: the Postgres schema that holds the tables; created where it does not exist.
        month_column: the DATE column by which a table of months is partitioned.
        lock_patience: seconds to retry while others use the table.
    """

    def __init__(self, url: Url, schema: str, month_column: str, *, lock_patience: float = 300) -> None:
        self._url = url
        self._schema = schema
        self._month_column = month_column
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
        rows = with_month(storable(rows), self._month_column, piece.month)
        types = type_names(rows.schema, TYPE_NAMES, "Postgres")
        with connected(self._url) as connection:
            table = Table(connection, self._schema, piece.table)
            written = table if piece.month is None else incoming_of(table, piece.month)
            require_short([table.schema, written.name, *types])
            by_month = None if piece.month is None else self._month_column
            ensure_table(table, rows.schema, types, by_month, self._lock_patience)
            if entry is not None:
                ensure_audit_table(Table(connection, self._schema, entry.audit_table), self._lock_patience)
            with transaction(connection, writes=True):
                return self._replace(table, piece, rows, types, entry)

    def _replace(
        self, table: Table, piece: TableSlice, rows: Rows, types: dict[str, str], entry: load_log.Entry | None
    ) -> Stored:
        take_advisory_lock(table.connection, f"{self._schema}.{piece}")
        if piece.month is None:
            count = replace_all(table, rows)
        else:
            count = load_month(table, self._month_column, piece.month, rows, self._lock_patience)
        if entry is not None:
            append_audit_line(table.sibling(entry.audit_table), piece, count, entry)
        rows.confirm()  # a newer load of the slice waits from here on until the commit
        if piece.month is None:
            return Stored(count, table.size(), rows.schema, types)
        attach_month(table, piece.month, self._lock_patience)
        return Stored(count, partition_of(table, piece.month).size(), rows.schema, types)

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of these months of it.

        Raises:
            SliceMissing: the table, or a month of it, does not exist.
        """
        return read_rows(self._url, self._schema, table, self._month_column, months)

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
        wanted = {**key, **({} if piece.month is None else {self._month_column: piece.month.first_day})}
        with connected(self._url) as connection:
            return find_row(connection, Table(connection, self._schema, piece.table), wanted)

    def months(self, table: str) -> list[Month]:
        """The months of the table that exist, oldest first."""
        with connected(self._url) as connection, transaction(connection):
            return Table(connection, self._schema, table).months()

    def _table(self, connection: psycopg.Connection, piece: TableSlice) -> Table:
        """The table, or the partition, that holds the slice."""
        table = Table(connection, self._schema, piece.table)
        return table if piece.month is None else partition_of(table, piece.month)
