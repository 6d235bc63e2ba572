"""Tables in a DuckDB file: names, DDL, schemas, and the list of months that were loaded."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.arrow import description, require_distinct
from taxi_assets.stores.base import TableSlice, other_partitioning
from taxi_assets.stores.digest import Dialect
from taxi_assets.stores.duckdb.engine import ARROW_TYPES
from taxi_assets.stores.duckdb.sql import literal, quoted

DIALECT = Dialect(
    quoted=quoted,
    double="DOUBLE",
    bigint="BIGINT",
    seconds=lambda time: f"(epoch_us({time}) / 1e6)",
    days=lambda date: f"({date} - DATE '1970-01-01')",
    text=lambda text: f"CAST('0x' || md5({text})[:8] AS BIGINT)",
)
# Distinguishes an empty month from a missing one; changes in the transaction that changes the rows.
_LOADED = "loaded_months"


class Table:
    """One table of a schema, inspected and changed through a connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
        self.connection = connection
        self.schema = schema
        self.name = name

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> str:
        """The quoted name with its database, since a schema may have the name of the file."""
        return f"{self._quoted_schema}.{quoted(self.name)}"

    def columns(self) -> dict[str, str]:
        """Column name -> DuckDB's type, in order; empty where the table does not exist."""
        found = self.connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
            "ORDER BY column_index",
            [self.schema, self.name],
        )
        return dict(found.fetchall())

    def arrow_schema(self) -> pa.Schema:
        """The schema that the table's rows are read with; comments become descriptions.

        Raises:
            SchemaMismatch: a column has a type that cannot be read.
        """
        found = self.connection.execute(
            "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
            "WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
            [self.schema, self.name],
        )
        return pa.schema(_field(*row) for row in found.fetchall())

    def months(self) -> list[Month]:
        """The months that were loaded, oldest first, also those without rows."""
        if not self._loaded.columns() or not self.columns():
            return []
        found = self.connection.execute(
            f"SELECT month FROM {self._loaded.identifier} WHERE table_name = ? ORDER BY month", [self.name]
        )
        return [Month.of(day) for (day,) in found.fetchall()]

    def count(self, month_column: str, months: Sequence[Month] | None = None) -> int:
        """Rows of the table, or of these months of it."""
        where, bound = in_months(month_column, months)
        return number(self.connection.execute(f"SELECT count(*) FROM {self.identifier}{where}", bound))

    def ensure(self, schema: pa.Schema, types: dict[str, str]) -> None:
        """Create the table, or add the columns that it lacks; comments are updated to those of the newest rows.

        Raises:
            SchemaMismatch: a column has another type, or two columns differ in upper and lower case only.
        """
        existing = self.columns()
        require_distinct([*existing, *types], "DuckDB")
        different = [
            f"{column} is {existing[column]} in the table and {kind} in the rows"
            for column, kind in types.items()
            if existing.get(column, kind) != kind
        ]
        if different:
            raise SchemaMismatch(f"{self}: {'; '.join(different)}")
        if not existing:
            self._create(schema, types)
        for column, kind in types.items():
            if existing and column not in existing:
                self.connection.execute(f"ALTER TABLE {self.identifier} ADD COLUMN {quoted(column)} {kind}")
        self._comment_on_columns(schema)

    def record_month(self, month: Month) -> None:
        """Add the month to those that were loaded."""
        self.connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._loaded.identifier} "
            "(table_name VARCHAR, month DATE, PRIMARY KEY (table_name, month))"
        )
        self.connection.execute(
            f"INSERT OR IGNORE INTO {self._loaded.identifier} VALUES (?, ?)", [self.name, month.first_day]
        )

    def _create(self, schema: pa.Schema, types: dict[str, str]) -> None:
        columns = ", ".join(
            f"{quoted(field.name)} {types[field.name]}{'' if field.nullable else ' NOT NULL'}" for field in schema
        )
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._quoted_schema}")
        self.connection.execute(f"CREATE TABLE {self.identifier} ({columns})")
        if self._loaded.columns():  # the months of an earlier table of this name, which was dropped
            self.connection.execute(f"DELETE FROM {self._loaded.identifier} WHERE table_name = ?", [self.name])
        self.connection.execute(f"COMMENT ON TABLE {self.identifier} IS {literal(description(schema) or '')}")

    def _comment_on_columns(self, schema: pa.Schema) -> None:
        comments = dict(
            self.connection.execute(
                "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
                [self.schema, self.name],
            ).fetchall()
        )
        for field in schema:
            text = description(field)
            if text is not None and text != comments[field.name]:
                self.connection.execute(f"COMMENT ON COLUMN {self.identifier}.{quoted(field.name)} IS {literal(text)}")

    @property
    def _loaded(self) -> "Table":
        return Table(self.connection, self.schema, _LOADED)

    @property
    def _quoted_schema(self) -> str:
        [(database,)] = self.connection.execute("SELECT current_database()").fetchall()
        return f"{quoted(database)}.{quoted(self.schema)}"


def require_same_partitioning(table: Table, piece: TableSlice, month_column: str) -> None:
    """Refuse a month of a table that is one whole, and the whole of a table of months.

    Raises:
        SchemaMismatch: the table has rows and is partitioned the other way.
    """
    if not table.columns():
        return
    holds_months = bool(table.months())
    is_new = not holds_months and table.count(month_column) == 0
    if not is_new and holds_months != (piece.month is not None):
        raise other_partitioning(str(table), f"drop it (DROP TABLE {table})", by_month=not holds_months)


def in_months(column: str, months: Sequence[Month] | None) -> tuple[str, list[object]]:
    """The WHERE clause that selects the months, and the values to bind; empty for all rows."""
    if months is None:
        return "", []
    days = [month.first_day for month in months]
    return f" WHERE {quoted(column)} IN ({', '.join('?' * len(days))})", list(days)


def number(answer: duckdb.DuckDBPyConnection) -> int:
    """The single number that a statement returned; 0 where it returned none."""
    row = answer.fetchone()
    return int(row[0]) if row is not None else 0


def _field(name: str, kind: str, nullable: bool, comment: str | None) -> pa.Field:
    if kind not in ARROW_TYPES:
        raise SchemaMismatch(f"column {name} has type {kind}, which cannot be read")
    return pa.field(name, ARROW_TYPES[kind], nullable, None if comment is None else {"description": comment})
