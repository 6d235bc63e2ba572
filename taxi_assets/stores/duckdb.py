"""DuckDB as the warehouse: one file, each month replaced as a whole in one transaction.

The file takes one process at a time, so a connection is opened for one piece of work and closed after it, and whoever
comes meanwhile asks again until it is free.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from taxi_assets.duckdb_sql import in_files, literal, quoted, streamed
from taxi_assets.errors import SchemaMismatch, SliceMissing, StoreError, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.stores import ledger
from taxi_assets.stores.arrow import description, storable, type_names, with_month
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.disk import disk_failures
from taxi_assets.stores.rows import BATCH_ROWS, Rows, conform
from taxi_assets.stores.rows_digest import DUCKDB
from taxi_assets.stores.slices import Slice, Stored

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
# To insert rows in their order with two threads, 0.9 s instead of 1.6 s for 1,369,769 trips, DuckDB wants to be allowed
# 250 MB for each; it then uses 170 MB in all, and 520 MB for 20,000,000 trips.
_SETTINGS = "SET threads = 2; SET memory_limit = '512MB'"
_LOADED = "loaded_months"  # tells an empty month from a missing one; changes in the transaction that changes the rows
_INCOMING = "incoming_rows"
_WRITING: dict[Path, threading.Lock] = {}


class DuckDBStore:
    """Tables in one schema of a DuckDB file; `Slice.table` is a table's name without the schema.

    Args:
        path: the database file; made where it is missing.
        schema: the schema that holds the tables; made where it is missing.
        month_column: the DATE column that tells a row's month.
        lock_patience: seconds to go on asking for a file that another process has open.
    """

    def __init__(self, path: Path, schema: str, month_column: str, *, lock_patience: float = 300) -> None:
        self._path = path
        self._schema = schema
        self._month_column = month_column
        self._lock_patience = lock_patience

    def table_name(self, table: str) -> str:
        """The table's name as a query says it."""
        return f"{self._schema}.{table}"

    def replace(self, piece: Slice, rows: Rows, entry: ledger.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, in one transaction; where an entry is given, its line goes into it.

        Raises:
            SchemaMismatch: a column has a type that the table, or DuckDB, does not have.
            StoreUnavailable: another process kept the file open, or the disk is full.
            StoreError: DuckDB refuses the rows, they are of another month, or the file may not be written.
        """
        rows = storable(rows if piece.month is None else with_month(rows, self._month_column, piece.month))
        types = type_names(rows.schema, TYPE_NAMES, "DuckDB")
        with self._turn(), self._connected() as connection, _transaction(connection):
            self._ensure(connection, piece.table, rows.schema, types)
            where, bound = self._where(None if piece.month is None else [piece.month])
            table = self._identifier(connection, piece.table)
            connection.execute(f"DELETE FROM {table}{where}", bound)
            inserted = _insert(connection, table, rows)
            count = self._count(connection, piece)
            if count != inserted:
                raise StoreError(f"{inserted - count} rows for {piece} have another month in {self._month_column}")
            if piece.month is not None:
                self._note_loaded(connection, piece.table, piece.month)
            if entry is not None:
                types_of_ledger = type_names(ledger.SCHEMA, TYPE_NAMES, "DuckDB")
                self._ensure(connection, entry.ledger, ledger.SCHEMA, types_of_ledger)
                lines = self._identifier(connection, entry.ledger)
                finished_at = ledger.now_after(_newest_line(connection, lines, piece))
                _insert(connection, lines, entry.line(piece, count, finished_at))
            return Stored(count, None, rows.schema, types)

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it; the file is held open while they are read.

        Raises:
            SliceMissing: the table, or a month of it, is not there.
        """
        where, bound = self._where(months)
        if not self._path.exists():
            raise SliceMissing(f"{self._path} has no {self._schema}.{table}: materialize it first")
        with self._connected() as connection:
            query = f"FROM {self._identifier(connection, table)}{where}"
            columns = self._columns(connection, table)
            missing = sorted(set(months or ()) - set(self._months(connection, table))) if columns else []
            if not columns or missing:
                what = f"{table} {', '.join(str(month) for month in missing)}".strip()
                raise SliceMissing(f"{self._path} has no {self._schema}.{what}: materialize it first")
            schema = self._arrow_schema(connection, table)

        def open_batches() -> Iterator[pa.RecordBatch]:
            with self._connected() as connection:
                for batch in connection.sql(query, params=bound).to_arrow_reader(BATCH_ROWS):
                    yield conform(batch, schema)

        return Rows(schema, open_batches)

    def count(self, piece: Slice) -> int:
        """Rows in the slice; 0 where there is none."""
        if not self._path.exists():
            return 0
        with self._connected() as connection:
            return self._count(connection, piece) if self._columns(connection, piece.table) else 0

    def digest(self, piece: Slice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """What the slice holds, computed by DuckDB: see `stores.digest`."""
        if not self._path.exists():
            return Digest(0, 0, dict.fromkeys(parts, 0))
        with self._connected() as connection:
            if not self._columns(connection, piece.table):
                return Digest(0, 0, dict.fromkeys(parts, 0))
            where, bound = self._where(None if piece.month is None else [piece.month])
            source = f"{self._identifier(connection, piece.table)}{where}"
            query = digest_query(DUCKDB, source, parts, position, total)
            return Digest.of(connection.execute(query, bound).fetchone() or (), parts)

    def row(self, piece: Slice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        if not self._path.exists():
            return None
        wanted = {**key, **({} if piece.month is None else {self._month_column: piece.month.first_day})}
        with self._connected() as connection:
            if not self._columns(connection, piece.table):
                return None
            conditions = " AND ".join(f"{quoted(name)} = ?" for name in wanted)
            query = f"FROM {self._identifier(connection, piece.table)} WHERE {conditions} LIMIT 1"
            found = connection.sql(query, params=list(wanted.values())).to_arrow_table()
            rows = found.cast(self._arrow_schema(connection, piece.table)).to_pylist()
        return rows[0] if rows else None

    def months(self, table: str) -> list[Month]:
        """The months of the table that have rows, oldest first."""
        if not self._path.exists():
            return []
        with self._connected() as connection:
            return self._months(connection, table)

    def _ensure(
        self, connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, types: dict[str, str]
    ) -> None:
        """Make the table, or add the columns that it lacks; its comments become those of the newest rows."""
        name = self._identifier(connection, table)
        existing = self._columns(connection, table)
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
        if not self._columns(connection, _LOADED):
            return []
        found = connection.execute(
            f"SELECT month FROM {self._identifier(connection, _LOADED)} WHERE table_name = ? ORDER BY month", [table]
        )
        return [Month.of(day) for (day,) in found.fetchall()]

    def _count(self, connection: duckdb.DuckDBPyConnection, piece: Slice) -> int:
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

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One writer at a time: DuckDB's lock keeps out other processes, and this one the threads of our own.

        Without it they would run into one another's changes to the catalogue, which DuckDB does not wait for.
        """
        lock = _WRITING.setdefault(self._path.absolute(), threading.Lock())
        if not lock.acquire(timeout=self._lock_patience):
            raise StoreUnavailable(f"DuckDB {self._path} is written by another thread for {self._lock_patience:.0f} s")
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with disk_failures(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._open() as connection:
                yield connection
        except duckdb.Error as error:
            first_line = str(error).partition("\n")[0]
            if "No space left" in first_line:
                raise StoreUnavailable(f"no space left for {self._path}: make room and run it again") from error
            raise StoreError(f"DuckDB {self._path} refused: {first_line}") from error

    def _open(self) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._lock_patience
        while True:
            try:
                connection = duckdb.connect(self._path)
            except duckdb.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    first_line = str(error).partition("\n")[0]
                    kind = StoreError if "Permission denied" in first_line else StoreUnavailable
                    raise kind(f"DuckDB {self._path} cannot be opened: {first_line}") from error
                time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - spreads writers out, decides nothing
            else:
                # As settings of the connect call they would fail where this process has the file open without it.
                return connection.execute(_SETTINGS)


def _is_busy(error: duckdb.Error) -> bool:
    """Whether another process has the file open, or another thread is closing it just now."""
    return "Could not set lock" in str(error) or isinstance(error, duckdb.ResourceInUseException)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> int:
    insert = f"INSERT INTO {table} BY NAME FROM"
    files = in_files(rows)
    if files:
        return _number(connection.execute(f"{insert} {files}"))
    with streamed(connection, _INCOMING, rows):
        return _number(connection.execute(f"{insert} {_INCOMING}"))


def _newest_line(connection: duckdb.DuckDBPyConnection, lines: str, piece: Slice) -> datetime | None:
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
