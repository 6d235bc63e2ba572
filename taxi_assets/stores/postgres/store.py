"""Replace and read slices of tables in Postgres.

A month is copied into a new table of its own, which then takes the old one's place: readers keep the old month until
the commit and are locked out only for the exchange itself. A process that is killed on the way leaves nothing, since
what it had not committed never was.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from psycopg import sql

from taxi_assets.errors import SchemaMismatch, SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores import ledger
from taxi_assets.stores.arrow import description, storable, type_names, with_month
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.postgres.connecting import connected, wait_for_turn, when_unlocked
from taxi_assets.stores.postgres.copying import copy_in, stream_out
from taxi_assets.stores.postgres.tables import ARROW_TYPES, DIALECT, TYPE_NAMES, Table, TableColumn, require_short
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.slices import Slice, Stored


class PostgresStore:
    """Tables in one schema of a database; `Slice.table` is a table's name without the schema.

    Args:
        url: a `postgresql://` URL.
        schema: the Postgres schema that holds the tables; made where it is missing.
        month_column: the DATE column by which a table of months is partitioned.
        lock_patience: seconds to go on asking for a table that others are reading.
    """

    def __init__(self, url: str, schema: str, month_column: str, *, lock_patience: float = 300) -> None:
        self._url = url
        self._schema = schema
        self._month_column = month_column
        self._lock_patience = lock_patience

    def table_name(self, table: str) -> str:
        """The table's name as a query says it."""
        return f"{self._schema}.{table}"

    def replace(self, piece: Slice, rows: Rows, entry: ledger.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, in one transaction; where an entry is given, its line goes into it.

        Raises:
            SchemaMismatch: a column has a type, or a name, that the table, or Postgres, does not have.
            StoreUnavailable: the server does not answer, refuses or is full, or the table stayed locked.
            StoreError: the server refuses the rows.
        """
        rows = storable(rows if piece.month is None else with_month(rows, self._month_column, piece.month))
        types = type_names(rows.schema, TYPE_NAMES, "Postgres")
        with connected(self._url) as connection:
            table = Table(connection, self._schema, piece.table)
            written = table if piece.month is None else table.incoming(piece.month)
            require_short([table.schema, written.name, *types])
            self._ensure(table, rows.schema, types, by_month=piece.month is not None)
            if entry is not None:
                self._ensure_ledger(Table(connection, self._schema, entry.ledger))
            with connection.transaction():
                wait_for_turn(connection, f"{self._schema}.{piece}")
                count = self._load(table, piece.month, rows)
                if entry is not None:
                    lines = Table(connection, self._schema, entry.ledger)
                    line = entry.line(piece, count, ledger.now_after(_newest_line(lines, piece)))
                    copy_in(connection, lines.identifier, line, is_new=False)
                if piece.month is None:
                    return Stored(count, table.size(), rows.schema, types)
                self._exchange(table, piece.month)
                return Stored(count, table.partition(piece.month).size(), rows.schema, types)

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it.

        Raises:
            SliceMissing: the table, or a month of it, is not there.
        """
        with connected(self._url) as connection:
            found = Table(connection, self._schema, table)
            columns = found.columns()
            missing = sorted(set(months or ()) - set(found.months()))
        if not columns or missing:
            what = f"{table} {', '.join(str(month) for month in missing)}".strip()
            raise SliceMissing(f"Postgres has no {self._schema}.{what}: materialize it first")
        schema = pa.schema([_field(column) for column in columns])
        names = sql.SQL(", ").join(_beside_values(name) for name in schema.names)
        query = sql.SQL("SELECT {} FROM {}").format(names, _beside_values(self._schema, table))
        if months is not None:
            query += sql.SQL(" WHERE {} = ANY(%s)").format(_beside_values(self._month_column))

        def open_batches() -> Iterator[pa.RecordBatch]:
            bound = [] if months is None else [[month.first_day for month in months]]
            with connected(self._url) as connection:
                yield from stream_out(connection, query, bound, schema)

        return Rows(schema, open_batches)

    def count(self, piece: Slice) -> int:
        """Rows in the slice; 0 where there is none."""
        with connected(self._url) as connection:
            table = Table(connection, self._schema, piece.table)
            if piece.month is not None:
                table = table.partition(piece.month)
            if not table.exists():
                return 0
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
            return int(row[0]) if row is not None else 0

    def digest(self, piece: Slice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """What the slice holds, computed by the server: see `stores.digest`."""
        with connected(self._url) as connection, connection.transaction():
            table = Table(connection, self._schema, piece.table)
            if piece.month is not None:
                table = table.partition(piece.month)
            if not table.exists():
                return Digest(0, 0, dict.fromkeys(parts, 0))
            # A table that was loaded just now has no statistics, and then Postgres sorts all rows to group them.
            connection.execute("SET LOCAL enable_sort = off; SET LOCAL jit = off")
            query = digest_query(DIALECT, table.identifier.as_string(connection), parts, position, total)
            answer = connection.execute(query.encode()).fetchone()
        return Digest.of(answer or (), parts)

    def row(self, piece: Slice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        wanted = {**key, **({} if piece.month is None else {self._month_column: piece.month.first_day})}
        with connected(self._url) as connection:
            columns = Table(connection, self._schema, piece.table).columns()
            if not columns:
                return None
            schema = pa.schema([_field(column) for column in columns])
            query = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
                sql.SQL(", ").join(map(_beside_values, schema.names)),
                _beside_values(self._schema, piece.table),
                sql.SQL(" AND ").join(sql.SQL("{} = %s").format(_beside_values(name)) for name in wanted),
            )
            found = [
                row
                for batch in stream_out(connection, query, list(wanted.values()), schema)
                for row in batch.to_pylist()
            ]
        return found[0] if found else None

    def months(self, table: str) -> list[Month]:
        """The months of the table that are there, oldest first."""
        with connected(self._url) as connection:
            return Table(connection, self._schema, table).months()

    def _ensure(self, table: Table, schema: pa.Schema, types: dict[str, str], *, by_month: bool) -> None:
        """Make the table, or add the columns that it lacks; its comments become those of the newest rows."""
        with table.connection.transaction():
            wait_for_turn(table.connection, _definition_of(table))
            if not table.exists():
                wait_for_turn(table.connection, f"{self._schema} definition")  # IF NOT EXISTS fails two at once
                table.create(schema, types, self._month_column if by_month else None)
            existing = {column.name: column for column in table.columns()}
            _require_same_types(table, types, existing)
            added = [(name, kind) for name, kind in types.items() if name not in existing]
            if added:
                when_unlocked(table.connection, self._lock_patience, *table.added_columns(added))
            for field in schema:
                text = description(field)
                column = existing.get(field.name)
                if text is not None and (column is None or column.comment != text):
                    table.comment(field.name, text)

    def _ensure_ledger(self, table: Table) -> None:
        """Make the ledger, which from then on takes new lines only."""
        with table.connection.transaction():
            self._ensure(table, ledger.SCHEMA, type_names(ledger.SCHEMA, TYPE_NAMES, "Postgres"), by_month=False)
            if not table.is_append_only():
                wait_for_turn(table.connection, f"{self._schema} definition")
                table.make_append_only()

    def _load(self, table: Table, month: Month | None, rows: Rows) -> int:
        """Load a whole table, or a month into the table that will take its partition's place."""
        if month is None:
            table.connection.execute(sql.SQL("DELETE FROM {}").format(table.identifier))
            return copy_in(table.connection, table.identifier, rows, is_new=False)
        fresh = table.incoming(month)
        fresh.create_like(table, self._month_column, month)
        count = copy_in(table.connection, fresh.identifier, rows, is_new=True)
        for field in rows.schema:
            method = (field.metadata or {}).get(b"index")
            if method is not None:
                fresh.index(field.name, method.decode())
        return count

    def _exchange(self, table: Table, month: Month) -> None:
        fresh = table.incoming(month)
        # From here to the commit nobody else adds a column; one that came during the load is made up for.
        wait_for_turn(table.connection, _definition_of(table))
        known = {column.name for column in fresh.columns()}
        lacking = [(column.name, column.type) for column in table.columns() if column.name not in known]
        statements = [*fresh.added_columns(lacking), *table.exchange(fresh, month)]
        when_unlocked(table.connection, self._lock_patience, *statements)


def _newest_line(lines: Table, piece: Slice) -> datetime | None:
    """When the slice's newest load was finished; the caller has the slice's turn, so that none comes in between."""
    query = sql.SQL("SELECT max(finished_at) FROM {} WHERE table_name = %s AND source_month IS NOT DISTINCT FROM %s")
    month = None if piece.month is None else piece.month.first_day
    row = lines.connection.execute(query.format(lines.identifier), [piece.table, month]).fetchone()
    found: datetime | None = None if row is None else row[0]
    return found


def _definition_of(table: Table) -> str:
    return f"{table.schema}.{table.name} definition"


def _beside_values(*names: str) -> sql.Identifier:
    """A name for a query that values are bound to: psycopg takes a single % in it for a value's place."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def _require_same_types(table: Table, types: dict[str, str], existing: dict[str, TableColumn]) -> None:
    different = [
        f"{name} is {existing[name].type} in the table and {kind} in the rows"
        for name, kind in types.items()
        if name in existing and existing[name].type != kind
    ]
    if different:
        raise SchemaMismatch(f"{table.schema}.{table.name}: {'; '.join(different)}")


def _field(column: TableColumn) -> pa.Field:
    if column.type not in ARROW_TYPES:
        raise SchemaMismatch(f"column {column.name} has type {column.type}, which cannot be read")
    metadata = None if column.comment is None else {"description": column.comment}
    return pa.field(column.name, ARROW_TYPES[column.type], not column.required, metadata)
