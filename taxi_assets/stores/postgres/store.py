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
from taxi_assets.stores import load_log
from taxi_assets.stores.arrow import description, storable, type_names, with_month
from taxi_assets.stores.base import Stored, TableSlice, other_partitioning
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.postgres.connection import Url, connected, transaction, wait_for_turn, when_unlocked
from taxi_assets.stores.postgres.loading import copy_in, stream_out
from taxi_assets.stores.postgres.reading import beside_values, field_of, selected
from taxi_assets.stores.postgres.tables import DIALECT, TYPE_NAMES, Table, TableColumn, require_short
from taxi_assets.stores.rows import Rows


class PostgresStore:
    """Tables in one schema of a database; `TableSlice.table` is a table's name without the schema.

    Args:
        url: a `postgresql://` URL, or what gives one for each connection.
        schema: the Postgres schema that holds the tables; made where it is missing.
        month_column: the DATE column by which a table of months is partitioned.
        lock_patience: seconds to go on asking for a table that others are reading.
    """

    def __init__(self, url: Url, schema: str, month_column: str, *, lock_patience: float = 300) -> None:
        self._url = url
        self._schema = schema
        self._month_column = month_column
        self._lock_patience = lock_patience

    def table_name(self, table: str) -> str:
        """The table's name as a query says it."""
        return f"{self._schema}.{table}"

    def replace(self, piece: TableSlice, rows: Rows, entry: load_log.Entry | None = None) -> Stored:
        """Make the slice hold exactly these rows, in one transaction; where an entry is given, its line goes into it.

        Raises:
            SchemaMismatch: a column has a type, or a name, that the table, or Postgres, does not have.
            StoreUnavailable: the server does not answer, refuses or is full, or the table stayed locked.
            StoreError: the server refuses the rows.
            Overtaken: what the rows were made from is not current any more.
        """
        rows = with_month(storable(rows), self._month_column, piece.month)
        types = type_names(rows.schema, TYPE_NAMES, "Postgres")
        with connected(self._url) as connection:
            table = Table(connection, self._schema, piece.table)
            written = table if piece.month is None else table.incoming(piece.month)
            require_short([table.schema, written.name, *types])
            self._ensure(table, rows.schema, types, by_month=piece.month is not None)
            if entry is not None:
                self._ensure_audit_table(Table(connection, self._schema, entry.audit_table))
            with transaction(connection, writes=True):
                wait_for_turn(connection, f"{self._schema}.{piece}")
                count = self._load(table, piece.month, rows)
                if entry is not None:
                    lines = Table(connection, self._schema, entry.audit_table)
                    line = entry.line(piece, count, load_log.now_after(_newest_line(lines, piece)))
                    copy_in(connection, lines.identifier, line, is_new=False)
                rows.confirm()  # whoever makes it outdated from now on waits for this turn to end
                if piece.month is None:
                    return Stored(count, table.size(), rows.schema, types)
                self._exchange(table, piece.month)
                return Stored(count, table.partition(piece.month).size(), rows.schema, types)

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it.

        Raises:
            SliceMissing: the table, or a month of it, is not there.
        """
        with connected(self._url) as connection, transaction(connection):
            found = Table(connection, self._schema, table)
            columns = found.columns()
            missing = sorted(set(months or ()) - set(found.months()))
        if not columns or missing:
            what = f"{table} {', '.join(str(month) for month in missing)}".strip()
            raise SliceMissing(f"Postgres has no {self._schema}.{what}: materialize it first")
        schema = pa.schema([field_of(column) for column in columns])
        names = sql.SQL(", ").join(map(selected, columns))
        query = sql.SQL("SELECT {} FROM {}").format(names, beside_values(self._schema, table))
        if months is not None:
            query += sql.SQL(" WHERE {} = ANY(%s)").format(beside_values(self._month_column))

        def open_batches() -> Iterator[pa.RecordBatch]:
            bound = [] if months is None else [[month.first_day for month in months]]
            with connected(self._url) as connection:
                yield from stream_out(connection, query, bound, schema)

        return Rows(schema, open_batches)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice; 0 where there is none."""
        with connected(self._url) as connection, transaction(connection):
            table = Table(connection, self._schema, piece.table)
            if piece.month is not None:
                table = table.partition(piece.month)
            if not table.exists():
                return 0
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
            return int(row[0]) if row is not None else 0

    def digest(self, piece: TableSlice, parts: Parts, position: str, total: str | None = None) -> Digest:
        """What the slice holds, computed by the server: see `stores.digest`."""
        with connected(self._url) as connection, transaction(connection):
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

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        wanted = {**key, **({} if piece.month is None else {self._month_column: piece.month.first_day})}
        with connected(self._url) as connection:
            with transaction(connection):
                columns = Table(connection, self._schema, piece.table).columns()
            if not columns:
                return None
            schema = pa.schema([field_of(column) for column in columns])
            query = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
                sql.SQL(", ").join(map(selected, columns)),
                beside_values(self._schema, piece.table),
                sql.SQL(" AND ").join(sql.SQL("{} = %s").format(beside_values(name)) for name in wanted),
            )
            found = [
                row
                for batch in stream_out(connection, query, list(wanted.values()), schema)
                for row in batch.to_pylist()
            ]
        return found[0] if found else None

    def months(self, table: str) -> list[Month]:
        """The months of the table that are there, oldest first."""
        with connected(self._url) as connection, transaction(connection):
            return Table(connection, self._schema, table).months()

    def _ensure(self, table: Table, schema: pa.Schema, types: dict[str, str], *, by_month: bool) -> None:
        """Make the table, or add the columns that it lacks; its comments become those of the newest rows."""
        with transaction(table.connection, writes=True):
            self._define(table, schema, types, by_month=by_month)

    def _define(self, table: Table, schema: pa.Schema, types: dict[str, str], *, by_month: bool) -> None:
        wait_for_turn(table.connection, _definition_of(table))
        if not table.exists():
            wait_for_turn(table.connection, f"{self._schema} definition")  # IF NOT EXISTS fails two at once
            table.create(schema, types, self._month_column if by_month else None)
        elif table.is_partitioned() != by_month:
            name = self.table_name(table.name)
            raise other_partitioning(name, f"drop it (DROP TABLE {name})", by_month=by_month)
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

    def _ensure_audit_table(self, table: Table) -> None:
        """Make the audit table, which from then on takes new lines only."""
        with transaction(table.connection, writes=True):
            self._define(table, load_log.SCHEMA, type_names(load_log.SCHEMA, TYPE_NAMES, "Postgres"), by_month=False)
            if not table.is_append_only():
                wait_for_turn(table.connection, f"{self._schema} definition")
                table.make_append_only()

    def _load(self, table: Table, month: Month | None, rows: Rows) -> int:
        """Load a whole table, or a month into the table that will take its partition's place."""
        if month is None and table.is_referenced():
            return _load_referenced(table, rows)
        if month is None:
            table.connection.execute(sql.SQL("DELETE FROM {}").format(table.identifier))
            return copy_in(table.connection, table.identifier, rows, is_new=False)
        fresh = table.incoming(month)
        like = fresh.create_like(table, self._month_column, month)
        count = copy_in(table.connection, fresh.identifier, rows, is_new=True)
        for statement in like.after:
            table.connection.execute(statement)
        for field in rows.schema:
            method = (field.metadata or {}).get(b"index")
            if method is not None:
                fresh.index(field.name, method.decode())
        if like.foreign_keys:
            when_unlocked(table.connection, self._lock_patience, *like.foreign_keys)
        return count

    def _exchange(self, table: Table, month: Month) -> None:
        fresh = table.incoming(month)
        # From here to the commit no other load adds a column; one that came during this one is made up for.
        wait_for_turn(table.connection, _definition_of(table))
        statements = [*fresh.made_up_for(table), *table.exchange(fresh, month)]
        when_unlocked(table.connection, self._lock_patience, *statements)


def _load_referenced(table: Table, rows: Rows) -> int:
    """Exchange all rows in one statement, after which every key that another table points to must be there again."""
    fresh = Table(table.connection, table.schema, f"{table.name}_new")
    require_short([fresh.name])
    names = sql.SQL(", ").join(map(sql.Identifier, rows.schema.names))
    values = {"table": table.identifier, "fresh": fresh.identifier, "names": names}
    create = "CREATE TABLE {fresh} AS SELECT {names} FROM {table} WITH NO DATA"
    table.connection.execute(sql.SQL(create).format(**values))
    count = copy_in(table.connection, fresh.identifier, rows, is_new=True)
    # The condition has the rows deleted before the first one is inserted.
    exchange = (
        "WITH deleted AS (DELETE FROM {table} RETURNING 1) "
        "INSERT INTO {table} ({names}) SELECT {names} FROM {fresh} WHERE (SELECT count(*) FROM deleted) >= 0"
    )
    table.connection.execute(sql.SQL(exchange).format(**values))
    table.connection.execute(sql.SQL("DROP TABLE {fresh}").format(**values))
    return count


def _newest_line(lines: Table, piece: TableSlice) -> datetime | None:
    """When the slice's newest load was finished; the caller has the slice's turn, so that none comes in between."""
    query = sql.SQL("SELECT max(finished_at) FROM {} WHERE table_name = %s AND source_month IS NOT DISTINCT FROM %s")
    month = None if piece.month is None else piece.month.first_day
    row = lines.connection.execute(query.format(lines.identifier), [piece.table, month]).fetchone()
    found: datetime | None = None if row is None else row[0]
    return found


def _definition_of(table: Table) -> str:
    return f"{table.schema}.{table.name} definition"


def _require_same_types(table: Table, types: dict[str, str], existing: dict[str, TableColumn]) -> None:
    different = [
        f"{name} is {existing[name].type} in the table and {kind} in the rows"
        for name, kind in types.items()
        if name in existing and existing[name].type != kind
    ]
    if different:
        raise SchemaMismatch(f"{table.schema}.{table.name}: {'; '.join(different)}")
