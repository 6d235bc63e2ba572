"""The warehouse in one DuckDB file: each slice is replaced in one transaction.

`connection` coordinates the processes that share the file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taxi_assets.month import Month
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import storable, type_names, with_key
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.duckdb.column_types import TYPES
from taxi_assets.stores.duckdb.connection import DuckDBFile
from taxi_assets.stores.duckdb.engine import MANY_ROWS, Config
from taxi_assets.stores.duckdb.loading import append_audit_line, replace_rows, transaction
from taxi_assets.stores.duckdb.reading import find_row, read_rows
from taxi_assets.stores.duckdb.tables import DIALECT, Table, in_partitions, require_same_partitioning
from taxi_assets.stores.partition import Key, Partition, key_column, months_among
from taxi_assets.stores.rows import Rows


class DuckDBStore:
    """Tables in one schema of a DuckDB file; `TableSlice.table` is a table's name without the schema.

    Args:
        path: the database file; created where it does not exist.
        schema: the schema that holds the tables; created where it does not exist.
        key_column: the column of partitions; by default `source_month` for months, `window_start` for other windows,
            `partition_key` for names.
        lock_patience: seconds to wait for another program that has the file open; loads wait for each other without
            limit.
        config: settings of DuckDB; by default two threads, and 512 MB of memory or 150 MB for more than ten million
            rows.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        key_column: str | None = None,
        *,
        lock_patience: float = 300,
        config: Config | None = None,
    ) -> None:
        self._file = DuckDBFile(path, lock_patience, config or {})
        self._schema = schema
        self._key_column = key_column

    def table_name(self, table: str) -> str:
        """The table's name in SQL."""
        return f"{self._schema}.{table}"

    def replace(self, piece: TableSlice, rows: Rows, entry: load_log.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, in one transaction; an entry adds a line to the audit table in it.

        Raises:
            SchemaMismatch: the table, or DuckDB, does not have a column's type, a row is of another partition, or the
                table is partitioned in another way.
            StoreUnavailable: another program kept the file open, or the disk is full.
            StoreError: DuckDB refuses the rows, or the file cannot be written.
            Overtaken: another run replaced what the rows were made from.
        """
        many = rows.count_in_files() > MANY_ROWS
        rows = storable(with_key(rows, self._key_column, piece.partition))
        type_names(rows.schema, TYPES)  # what DuckDB lacks is refused before the file is created
        with self._file.writing(f"{self._schema}.{piece}", little_memory=many) as connection, transaction(connection):
            table = Table(connection, self._schema, piece.table)
            require_same_partitioning(table, piece)
            rows = table.ensure(rows)
            count = replace_rows(table, self._key_column, piece.partition, rows)
            if entry is not None:
                append_audit_line(Table(connection, self._schema, entry.audit_table), piece, count, entry)
            rows.confirm()
            return Stored(count, None, rows.schema, type_names(rows.schema, TYPES))

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of these partitions of it.

        All are copied out of the file before the first is returned: no process can write while a reader has the file
        open, however slowly it reads.

        Raises:
            SliceMissing: the table, or a partition of it, does not exist.
        """
        return read_rows(self._file, self._schema, table, self._key_column, partitions)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice; 0 where it does not exist."""
        if not self._file.exists():
            return 0
        with self._file.reading() as connection:
            table = Table(connection, self._schema, piece.table)
            return table.count(self._key_column, _partitions(piece)) if table.columns() else 0

    def digest(self, piece: TableSlice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """A digest of the slice, computed by DuckDB: see `stores.digest`."""
        if not self._file.exists():
            return Digest(0, 0, dict.fromkeys(parts, 0))
        with self._file.reading(little_memory=True) as connection:
            table = Table(connection, self._schema, piece.table)
            if not table.columns():
                return Digest(0, 0, dict.fromkeys(parts, 0))
            where, bound = in_partitions(self._key_column, _partitions(piece))
            query = digest_query(DIALECT, f"{table.identifier}{where}", parts, position, total)
            return Digest.of(connection.execute(query, bound).fetchone() or (), parts)

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        if not self._file.exists():
            return None
        wanted = {
            **key,
            **({} if piece.partition is None else {key_column(self._key_column, piece.partition): piece.partition.key}),
        }
        with self._file.reading() as connection:
            table = Table(connection, self._schema, piece.table)
            return find_row(table, wanted) if table.columns() else None

    def keys(self, table: str) -> list[Key]:
        """The keys of the table's partitions that were loaded, in order."""
        if not self._file.exists():
            return []
        with self._file.reading() as connection:
            return Table(connection, self._schema, table).keys()

    def months(self, table: str) -> list[Month]:
        """The months of the table that were loaded, oldest first."""
        return months_among(self.keys(table))


def _partitions(piece: TableSlice) -> list[Partition] | None:
    return None if piece.partition is None else [piece.partition]
