"""Tables and partitions in Postgres: what there is, what to make, and the statements for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import psycopg
import pyarrow as pa
from psycopg import sql

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.arrow import description
from taxi_assets.stores.digest import Dialect

TYPE_NAMES = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.binary(): "bytea",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp without time zone",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
}
ARROW_TYPES = {name: kind for kind, name in TYPE_NAMES.items()}
DIALECT = Dialect(
    quoted=lambda name: sql.Identifier(name).as_string(),
    double="double precision",
    bigint="bigint",
    seconds=lambda time: f"date_part('epoch', {time})",
    days=lambda date: f"({date} - DATE '1970-01-01')",
    text=lambda text: f"CAST(CAST('x' || substr(md5({text}), 1, 8) AS bit(32)) AS bigint)",
)
_NAME_BYTES = 63
_APPEND_ONLY = "append_only"  # the trigger, and its function


@dataclass(frozen=True)
class TableColumn:
    """A column as the database has it: its type as `format_type` writes it, and its comment."""

    name: str
    type: str
    required: bool
    comment: str | None


class Table:
    """One table of a schema, seen and changed through a connection."""

    def __init__(self, connection: psycopg.Connection, schema: str, name: str) -> None:
        self.connection = connection
        self.schema = schema
        self.name = name

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name, quoted."""
        return sql.Identifier(self.schema, self.name)

    def partition(self, month: Month) -> "Table":
        """The table that holds the month, whether it is there or not."""
        return Table(self.connection, self.schema, f"{self.name}_{month.year:04d}_{month.number:02d}")

    def incoming(self, month: Month) -> "Table":
        """The table that the month is loaded into before it becomes the partition."""
        return Table(self.connection, self.schema, f"{self.partition(month).name}_new")

    def columns(self) -> list[TableColumn]:
        """The table's columns in order; none where there is no such table. Takes no lock on the table."""
        found = self.connection.execute(
            """
            SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(c.oid, a.attnum)
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """,
            [self.schema, self.name],
        )
        return [TableColumn(*row) for row in found]

    def exists(self) -> bool:
        """Whether there is such a table."""
        return bool(self.columns())

    def months(self) -> list[Month]:
        """The months that have a partition, oldest first."""
        # Asked for the partition's own names, of which a bound has none, pg_get_expr gives NULL for one that is being
        # exchanged at this moment. The server reads the dates itself, in the form in which it has just written them.
        found = self.connection.execute(
            r"""
            SELECT bounds[1]::date, bounds[2]::date
            FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
            JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace,
            regexp_match(pg_get_expr(p.relpartbound, 0), $$FROM \('([^']+)'\) TO \('([^']+)'\)$$) AS bounds
            WHERE n.nspname = %s AND c.relname = %s AND bounds IS NOT NULL
            """,
            [self.schema, self.name],
        )
        return sorted(
            Month.of(first) for first, end in found if first.day == 1 and end == Month.of(first).plus(1).first_day
        )

    def size(self) -> int:
        """Bytes on the disk, with indexes."""
        row = self.connection.execute(
            "SELECT pg_total_relation_size(format('%%I.%%I', %s::text, %s::text)::regclass)", [self.schema, self.name]
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def create(self, schema: pa.Schema, types: dict[str, str], partitioned_by: str | None) -> None:
        """Make the table, by month if a column is given, with comments from the schema's descriptions."""
        # Not IF NOT EXISTS: that takes the right to make schemas, also where there is nothing to make.
        found = self.connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [self.schema])
        if found.fetchone() is None:
            self.connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        columns = sql.SQL(", ").join(_definition(name, types[name], schema.field(name).nullable) for name in types)
        by_month = (
            sql.SQL("")
            if partitioned_by is None
            else sql.SQL(" PARTITION BY RANGE ({})").format(sql.Identifier(partitioned_by))
        )
        self.connection.execute(sql.SQL("CREATE TABLE {} ({})").format(self.identifier, columns) + by_month)
        comment = description(schema)
        if comment is not None:
            self.connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(self.identifier, sql.Literal(comment)))

    def added_columns(self, types: Iterable[tuple[str, str]]) -> list[sql.Composed]:
        """The statements that add columns."""
        return [
            sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(self.identifier, _definition(name, kind, nullable=True))
            for name, kind in types
        ]

    def comment(self, column: str, text: str) -> None:
        """Say in the database what the column holds."""
        self.connection.execute(
            sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(self.identifier, sql.Identifier(column), sql.Literal(text))
        )

    def create_like(self, parent: "Table", month_column: str, month: Month) -> None:
        """Make the table with the columns of the parent, ready to become its partition for the month.

        The check on the month is what lets Postgres attach it without reading it again. The parent is not named in the
        statement, since even reading its definition would lock it until the end of the load.
        """
        columns = sql.SQL(", ").join(_definition(one.name, one.type, not one.required) for one in parent.columns())
        self.connection.execute(
            sql.SQL("CREATE TABLE {} ({}, CONSTRAINT one_month CHECK ({} = {}))").format(
                self.identifier, columns, sql.Identifier(month_column), sql.Literal(month.first_day)
            )
        )

    def index(self, column: str, method: str) -> None:
        """Index the column by an access method, for example `brin`."""
        self.connection.execute(
            sql.SQL("CREATE INDEX ON {} USING {} ({})").format(
                self.identifier, sql.Identifier(method), sql.Identifier(column)
            )
        )

    def is_append_only(self) -> bool:
        """Whether the table refuses changes to what it holds."""
        found = self.connection.execute(
            """
            SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND t.tgname = %s
            """,
            [self.schema, self.name, _APPEND_ONLY],
        )
        return found.fetchone() is not None

    def make_append_only(self) -> None:
        """Refuse every UPDATE, DELETE and TRUNCATE of the table, whoever asks."""
        refuse = sql.Identifier(self.schema, _APPEND_ONLY)
        self.connection.execute(
            sql.SQL(
                "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME; END$$"
            ).format(refuse)
        )
        self.connection.execute(
            sql.SQL("CREATE TRIGGER {} BEFORE UPDATE OR DELETE OR TRUNCATE ON {} EXECUTE FUNCTION {}()").format(
                sql.Identifier(_APPEND_ONLY), self.identifier, refuse
            )
        )

    def exchange(self, fresh: "Table", month: Month) -> list[sql.Composed]:
        """The statements that put the fresh table in the place of the month's partition, if there is one."""
        partition = self.partition(month)
        removed = [
            sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(self.identifier, partition.identifier),
            sql.SQL("DROP TABLE {}").format(partition.identifier),
        ]
        return [
            *(removed if partition.exists() else []),
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(fresh.identifier, sql.Identifier(partition.name)),
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                self.identifier, partition.identifier, _bound(month.first_day), _bound(month.plus(1).first_day)
            ),
        ]


def require_short(names: Iterable[str]) -> None:
    """Refuse names that Postgres would cut without a word, and then not find again.

    Raises:
        SchemaMismatch: a name is too long.
    """
    too_long = [name for name in names if len(name.encode()) > _NAME_BYTES]
    if too_long:
        raise SchemaMismatch(f"Postgres has names of up to {_NAME_BYTES} bytes, too few for {', '.join(too_long)}")


def _definition(name: str, kind: str, nullable: bool) -> sql.Composed:
    # The type is one of TYPE_NAMES or what format_type gave, never text from outside.
    return sql.SQL("{} {}{}").format(sql.Identifier(name), sql.SQL(kind), sql.SQL("" if nullable else " NOT NULL"))


def _bound(day: date) -> sql.Literal:
    return sql.Literal(day.isoformat())
