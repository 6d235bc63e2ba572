"""Tables in a DuckDB file: names, DDL, schemas, and the list of partitions that were loaded."""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.arrow import description, require_distinct, type_names
from taxi_assets.stores.base import TableSlice, other_partitioning
from taxi_assets.stores.digest import Dialect
from taxi_assets.stores.duckdb.column_types import TYPES, canonical
from taxi_assets.stores.duckdb.sql import literal, quoted
from taxi_assets.stores.partition import (
    Key,
    Kind,
    Partition,
    key_column,
    key_from,
    kind_of,
    require_no_overlap,
    text_of,
)
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.type_changes import changes_for, fitted

DIALECT = Dialect(
    quoted=quoted,
    double="DOUBLE",
    bigint="BIGINT",
    seconds=lambda time: f"(epoch_us({time}) / 1e6)",
    days=lambda date: f"({date} - DATE '1970-01-01')",
    text=lambda text: f"CAST('0x' || md5({text})[:8] AS BIGINT)",
)
# Distinguish an empty partition from a missing one; change in the transaction that changes the rows.
_LOADED_MONTHS = "loaded_months"
_LOADED_PARTITIONS = "loaded_partitions"  # that are no months


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
        return {name: canonical(kind) for name, kind in found.fetchall()}

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

    def kind(self) -> Kind | None:
        """The kind of the partitions that were loaded; None where none was."""
        return next((kind for kind, _ in self._loaded()), None)

    def keys(self) -> list[Key]:
        """The keys of the partitions that were loaded, in order, also those without rows."""
        return sorted(key for _, key in self._loaded())  # all of one type

    def count(self, column: str | None, partitions: Sequence[Partition] | None = None) -> int:
        """Rows of the table, or of these partitions of it."""
        where, bound = in_partitions(column, partitions)
        return number(self.connection.execute(f"SELECT count(*) FROM {self.identifier}{where}", bound))

    def ensure(self, rows: Rows) -> Rows:
        """Create the table, or add the columns that it lacks, and widen those that are too narrow for the rows.

        Comments are updated to those of the newest rows.

        Returns:
            The rows in the types of the table.

        Raises:
            SchemaMismatch: a column's type does not fit, or two columns differ in upper and lower case only.
        """
        existing = self.columns()
        types = type_names(rows.schema, TYPES)
        require_distinct([*existing, *types], "DuckDB")
        if not existing:
            self._create(rows.schema, types)
        changes = changes_for(rows, existing, TYPES, self._has_value, str(self))
        for column, kind in changes.widened.items():
            self._alter(column, f"SET DATA TYPE {kind}")
        for column, kind in changes.retyped.items():
            self._alter(column, f"SET DATA TYPE {kind} USING CAST(NULL AS {kind})")
        for column, kind in types.items():
            if existing and column not in existing:
                self.connection.execute(f"ALTER TABLE {self.identifier} ADD COLUMN {quoted(column)} {kind}")
        self._comment_on_columns(rows.schema)
        return fitted(rows, self.columns(), TYPES)

    def record(self, partition: Partition) -> None:
        """Add the partition to those that were loaded."""
        kind = kind_of(partition)
        if kind is Kind.MONTH:
            _add(self._loaded_months, {"table_name": "VARCHAR", "month": "DATE"}, [self.name, partition.key])
        else:
            columns = dict.fromkeys(("table_name", "kind", "key"), "VARCHAR")
            _add(self._loaded_partitions, columns, [self.name, kind.name, text_of(partition.key)])

    def _has_value(self, column: str) -> bool:
        query = f"SELECT 1 FROM {self.identifier} WHERE {quoted(column)} IS NOT NULL LIMIT 1"
        return self.connection.execute(query).fetchone() is not None

    def _alter(self, column: str, change: str) -> None:
        self.connection.execute(f"ALTER TABLE {self.identifier} ALTER COLUMN {quoted(column)} {change}")

    def _create(self, schema: pa.Schema, types: dict[str, str]) -> None:
        columns = ", ".join(
            f"{quoted(field.name)} {types[field.name]}{'' if field.nullable else ' NOT NULL'}" for field in schema
        )
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._quoted_schema}")
        self.connection.execute(f"CREATE TABLE {self.identifier} ({columns})")
        for loaded in (self._loaded_months, self._loaded_partitions):
            if loaded.columns():  # the partitions of an earlier table of this name, which was dropped
                self.connection.execute(f"DELETE FROM {loaded.identifier} WHERE table_name = ?", [self.name])
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

    def _loaded(self) -> list[tuple[Kind, Key]]:
        found: list[tuple[Kind, Key]] = []
        if not self.columns():
            return found
        for loaded, columns in ((self._loaded_months, "'MONTH', month"), (self._loaded_partitions, "kind, key")):
            if loaded.columns():
                query = f"SELECT {columns} FROM {loaded.identifier} WHERE table_name = ?"
                for name, key in self.connection.execute(query, [self.name]).fetchall():
                    found.append((Kind[name], key_from(Kind[name], str(key))))
        return found

    @property
    def _loaded_months(self) -> "Table":
        return Table(self.connection, self.schema, _LOADED_MONTHS)

    @property
    def _loaded_partitions(self) -> "Table":
        return Table(self.connection, self.schema, _LOADED_PARTITIONS)

    @property
    def _quoted_schema(self) -> str:
        [(database,)] = self.connection.execute("SELECT current_database()").fetchall()
        return f"{quoted(database)}.{quoted(self.schema)}"


def _add(table: Table, columns: Mapping[str, str], values: Sequence[object]) -> None:
    definitions = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    table.connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table.identifier} ({definitions}, PRIMARY KEY ({', '.join(columns)}))"
    )
    places = ", ".join("?" * len(values))
    table.connection.execute(f"INSERT OR IGNORE INTO {table.identifier} VALUES ({places})", list(values))


def require_same_partitioning(table: Table, piece: TableSlice) -> None:
    """Refuse a partition of a table that is one whole or has partitions of another kind, and the reverse.

    Raises:
        SchemaMismatch: the table has rows and is partitioned in another way.
    """
    if not table.columns():
        return
    held = table.kind()
    is_new = held is None and table.count(None) == 0
    if not is_new and held is not piece.kind:
        raise other_partitioning(str(table), f"drop it (DROP TABLE {table})", holds=held, wanted=piece.kind)
    if piece.partition is not None:
        require_no_overlap(str(table), table.keys(), piece.partition)


def in_partitions(column: str | None, partitions: Sequence[Partition] | None) -> tuple[str, list[object]]:
    """The WHERE clause that selects the partitions, and the values to bind; empty for all rows.

    Args:
        column: the key column's name; by default that of the partitions' kind.
        partitions: None for the whole table.
    """
    if partitions is None:
        return "", []
    if not partitions:
        return " WHERE false", []
    keys: list[object] = [partition.key for partition in partitions]
    return f" WHERE {quoted(key_column(column, partitions[0]))} IN ({', '.join('?' * len(keys))})", keys


def number(answer: duckdb.DuckDBPyConnection) -> int:
    """The single number that a statement returned; 0 where it returned none."""
    row = answer.fetchone()
    return int(row[0]) if row is not None else 0


def _field(name: str, kind: str, nullable: bool, comment: str | None) -> pa.Field:
    arrow_type = TYPES.type_of(kind)
    if arrow_type is None:
        raise SchemaMismatch(f"column {name} has type {kind}, which cannot be read")
    return pa.field(name, arrow_type, nullable, None if comment is None else {"description": comment})
