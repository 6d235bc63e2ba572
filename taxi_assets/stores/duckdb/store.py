"""DuckDB as the warehouse: one file, each month replaced as a whole in one transaction.

How processes share the file: `stores.duckdb_file`.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa

from taxi_assets.errors import SchemaMismatch, SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import description, other_month, require_distinct, storable, type_names, with_month
from taxi_assets.stores.base import Stored, TableSlice, other_partitioning
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.duckdb.connection import DuckDBFile
from taxi_assets.stores.duckdb.rows_digest import DUCKDB
from taxi_assets.stores.duckdb.sql import in_files, literal, quoted, streamed
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.rows import BATCH_ROWS, Rows, conform

TYPE_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
_ARROW_TYPES = {name: kind for kind, name in TYPE_NAMES.items()}
_LOADED = "loaded_months"  # tells an empty month from a missing one; changes in the transaction that changes the rows
_INCOMING = "incoming_rows"
_SPOOLED = 32 << 20  # bytes of rows that are read without a file for them


class DuckDBStore:
    """Tables in one schema of a DuckDB file; `TableSlice.table` is a table's name without the schema.

    Args:
        path: the database file; made where it is missing.
        schema: the schema that holds the tables; made where it is missing.
        month_column: the DATE column that tells a row's month.
        lock_patience: seconds to wait for a process that has the file open; for a writer of ours a load waits longer.
    """

    def __init__(self, path: Path, schema: str, month_column: str, *, lock_patience: float = 300) -> None:
        self._file = DuckDBFile(path, lock_patience)
        self._schema = schema
        self._month_column = month_column

    def table_name(self, table: str) -> str:
        """The table's name as a query says it."""
        return f"{self._schema}.{table}"

    def replace(self, piece: TableSlice, rows: Rows, entry: load_log.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, in one transaction; where an entry is given, its line goes into it.

        Raises:
            SchemaMismatch: a column has a type that the table, or DuckDB, does not have, a row is of another month, or
                the table was loaded by month and this is the whole, or the other way round.
            StoreUnavailable: a process that is no load kept the file open, or the disk is full.
            StoreError: DuckDB refuses the rows, or the file may not be written.
            Overtaken: what the rows were made from is not current any more.
        """
        rows = with_month(storable(rows), self._month_column, piece.month)
        types = type_names(rows.schema, TYPE_NAMES, "DuckDB")
        with self._file.writing(f"{self._schema}.{piece}") as connection, _transaction(connection):
            self._require_same_partitioning(connection, piece)
            self._ensure(connection, piece.table, rows.schema, types)
            where, bound = self._where(None if piece.month is None else [piece.month])
            table = self._identifier(connection, piece.table)
            connection.execute(f"DELETE FROM {table}{where}", bound)
            inserted = _insert(connection, table, rows)
            count = self._count(connection, piece)
            if piece.month is not None and count != inserted:
                stranger = _stranger(connection, rows, self._month_column, piece.month)
                raise other_month(self._month_column, piece.month, stranger)
            if piece.month is not None:
                self._note_loaded(connection, piece.table, piece.month)
            if entry is not None:
                audit_types = type_names(load_log.SCHEMA, TYPE_NAMES, "DuckDB")
                self._ensure(connection, entry.audit_table, load_log.SCHEMA, audit_types)
                lines = self._identifier(connection, entry.audit_table)
                finished_at = load_log.now_after(_newest_line(connection, lines, piece))
                _insert(connection, lines, entry.line(piece, count, finished_at))
            rows.confirm()
            return Stored(count, None, rows.schema, types)

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it.

        They are taken out of the file in one go before the first is handed on, since nobody can write while a reader
        has it open, however slow that one is.

        Raises:
            SliceMissing: the table, or a month of it, is not there.
        """
        where, bound = self._where(months)
        if not self._file.exists():
            raise SliceMissing(f"{self._file} has no {self._schema}.{table}: materialize it first")
        with self._file.reading() as connection:
            query = f"FROM {self._identifier(connection, table)}{where}"
            columns = self._columns(connection, table)
            missing = sorted(set(months or ()) - set(self._months(connection, table))) if columns else []
            if not columns or missing:
                what = f"{table} {', '.join(str(month) for month in missing)}".strip()
                raise SliceMissing(f"{self._file} has no {self._schema}.{what}: materialize it first")
            schema = self._arrow_schema(connection, table)

        def open_batches() -> Iterator[pa.RecordBatch]:
            with tempfile.SpooledTemporaryFile(_SPOOLED) as spool:
                with self._file.reading() as connection, disk_failures(Path(tempfile.gettempdir())):
                    _spool(connection.sql(query, params=bound).to_arrow_reader(BATCH_ROWS), spool)
                spool.seek(0)
                for batch in pa.ipc.open_stream(spool):
                    yield conform(batch, schema)

        return Rows(schema, open_batches)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice; 0 where there is none."""
        if not self._file.exists():
            return 0
        with self._file.reading() as connection:
            return self._count(connection, piece) if self._columns(connection, piece.table) else 0

    def digest(self, piece: TableSlice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """What the slice holds, computed by DuckDB: see `stores.digest`."""
        if not self._file.exists():
            return Digest(0, 0, dict.fromkeys(parts, 0))
        with self._file.reading() as connection:
            if not self._columns(connection, piece.table):
                return Digest(0, 0, dict.fromkeys(parts, 0))
            where, bound = self._where(None if piece.month is None else [piece.month])
            source = f"{self._identifier(connection, piece.table)}{where}"
            query = digest_query(DUCKDB, source, parts, position, total)
            return Digest.of(connection.execute(query, bound).fetchone() or (), parts)

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        if not self._file.exists():
            return None
        wanted = {**key, **({} if piece.month is None else {self._month_column: piece.month.first_day})}
        with self._file.reading() as connection:
            if not self._columns(connection, piece.table):
                return None
            conditions = " AND ".join(f"{quoted(name)} = ?" for name in wanted)
            query = f"FROM {self._identifier(connection, piece.table)} WHERE {conditions} LIMIT 1"
            found = connection.sql(query, params=list(wanted.values())).to_arrow_table()
            rows = found.cast(self._arrow_schema(connection, piece.table)).to_pylist()
        return rows[0] if rows else None

    def months(self, table: str) -> list[Month]:
        """The months of the table that have rows, oldest first."""
        if not self._file.exists():
            return []
        with self._file.reading() as connection:
            return self._months(connection, table)

    def _require_same_partitioning(self, connection: duckdb.DuckDBPyConnection, piece: TableSlice) -> None:
        if not self._columns(connection, piece.table):
            return
        holds_months = bool(self._months(connection, piece.table))
        is_new = not holds_months and self._count(connection, TableSlice(piece.table)) == 0
        if not is_new and holds_months != (piece.month is not None):
            name = self.table_name(piece.table)
            raise other_partitioning(name, f"drop it (DROP TABLE {name})", by_month=not holds_months)

    def _ensure(
        self, connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, types: dict[str, str]
    ) -> None:
        """Make the table, or add the columns that it lacks; its comments become those of the newest rows."""
        name = self._identifier(connection, table)
        existing = self._columns(connection, table)
        require_distinct([*existing, *types], "DuckDB")
        different = [
            f"{column} is {existing[column]} in the table and {kind} in the rows"
            for column, kind in types.items()
            if existing.get(column, kind) != kind
        ]
        if different:
            raise SchemaMismatch(f"{self.table_name(table)}: {'; '.join(different)}")
        if not existing:
            columns = ", ".join(
                f"{quoted(field.name)} {types[field.name]}{'' if field.nullable else ' NOT NULL'}" for field in schema
            )
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema_of(connection)}")
            connection.execute(f"CREATE TABLE {name} ({columns})")
            self._forget_loaded(connection, table)
            connection.execute(f"COMMENT ON TABLE {name} IS {literal(description(schema) or '')}")
        for column, kind in types.items():
            if existing and column not in existing:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(column)} {kind}")
        told = dict(
            connection.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
                [self._schema, table],
            ).fetchall()
        )
        for field in schema:
            text = description(field)
            if text is not None and text != told[field.name]:
                connection.execute(f"COMMENT ON COLUMN {name}.{quoted(field.name)} IS {literal(text)}")

    def _note_loaded(self, connection: duckdb.DuckDBPyConnection, table: str, month: Month) -> None:
        loaded = self._identifier(connection, _LOADED)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {loaded} (table_name VARCHAR, month DATE, PRIMARY KEY (table_name, month))"
        )
        connection.execute(f"INSERT OR IGNORE INTO {loaded} VALUES (?, ?)", [table, month.first_day])

    def _forget_loaded(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """Forget the months of an earlier table of this name, which was dropped."""
        if self._columns(connection, _LOADED):
            connection.execute(f"DELETE FROM {self._identifier(connection, _LOADED)} WHERE table_name = ?", [table])

    def _arrow_schema(self, connection: duckdb.DuckDBPyConnection, table: str) -> pa.Schema:
        found = connection.execute(
            "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
            "WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
            [self._schema, table],
        )
        return pa.schema(_field(*row) for row in found.fetchall())

    def _columns(self, connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        found = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
            "ORDER BY column_index",
            [self._schema, table],
        )
        return dict(found.fetchall())

    def _months(self, connection: duckdb.DuckDBPyConnection, table: str) -> list[Month]:
        if not self._columns(connection, _LOADED) or not self._columns(connection, table):
            return []
        found = connection.execute(
            f"SELECT month FROM {self._identifier(connection, _LOADED)} WHERE table_name = ? ORDER BY month", [table]
        )
        return [Month.of(day) for (day,) in found.fetchall()]

    def _count(self, connection: duckdb.DuckDBPyConnection, piece: TableSlice) -> int:
        where, bound = self._where(None if piece.month is None else [piece.month])
        return _number(
            connection.execute(f"SELECT count(*) FROM {self._identifier(connection, piece.table)}{where}", bound)
        )

    def _where(self, months: Sequence[Month] | None) -> tuple[str, list[object]]:
        if months is None:
            return "", []
        days = [month.first_day for month in months]
        return f" WHERE {quoted(self._month_column)} IN ({', '.join('?' * len(days))})", list(days)

    def _identifier(self, connection: duckdb.DuckDBPyConnection, table: str) -> str:
        """The table's name in full, since a schema may be called as the file is."""
        return f"{self._schema_of(connection)}.{quoted(table)}"

    def _schema_of(self, connection: duckdb.DuckDBPyConnection) -> str:
        [(database,)] = connection.execute("SELECT current_database()").fetchall()
        return f"{quoted(database)}.{quoted(self._schema)}"


def _spool(reader: pa.RecordBatchReader, spool: IO[bytes]) -> None:
    # Not compressed: 210 MB for 1,369,769 trips are written in half the time that it takes to make 130 MB of them.
    with pa.ipc.new_stream(spool, reader.schema) as stream:
        for batch in reader:
            stream.write_batch(batch)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> int:
    insert = f"INSERT INTO {table} BY NAME FROM"
    files = in_files(rows)
    if files:
        return _number(connection.execute(f"{insert} {files}"))
    with streamed(connection, _INCOMING, rows):
        return _number(connection.execute(f"{insert} {_INCOMING}"))


def _stranger(connection: duckdb.DuckDBPyConnection, rows: Rows, column: str, month: Month) -> object:
    """The value of a row in files that are not all of the month."""
    query = f"SELECT {quoted(column)} FROM {in_files(rows)} WHERE {quoted(column)} IS DISTINCT FROM ? LIMIT 1"
    [(value,)] = connection.execute(query, [month.first_day]).fetchall()
    return value


def _newest_line(connection: duckdb.DuckDBPyConnection, lines: str, piece: TableSlice) -> datetime | None:
    """When the slice's newest load was finished."""
    # In microseconds: to hand over a time with a zone, DuckDB wants pytz.
    query = (
        f"SELECT epoch_us(max(finished_at)) FROM {lines} WHERE table_name = ? AND source_month IS NOT DISTINCT FROM ?"
    )
    month = None if piece.month is None else piece.month.first_day
    [(microseconds,)] = connection.execute(query, [piece.table, month]).fetchall()
    return None if microseconds is None else datetime.fromtimestamp(0, tz=UTC) + timedelta(microseconds=microseconds)


def _number(answer: duckdb.DuckDBPyConnection) -> int:
    row = answer.fetchone()
    return int(row[0]) if row is not None else 0


def _field(name: str, kind: str, nullable: bool, comment: str | None) -> pa.Field:
    if kind not in _ARROW_TYPES:
        raise SchemaMismatch(f"column {name} has type {kind}, which cannot be read")
    return pa.field(name, _ARROW_TYPES[kind], nullable, None if comment is None else {"description": comment})


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
