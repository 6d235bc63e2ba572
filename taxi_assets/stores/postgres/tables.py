"""Tables in Postgres: names, types, what exists, and the DDL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
from psycopg import sql

from taxi_assets.stores.arrow import description
from taxi_assets.stores.digest import Dialect
from taxi_assets.stores.partition import Key, Kind

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
    # date_part('epoch', …) has the same values, and parses that name for each row: the digest of a yellow month takes
    # 1.21 s of CPU time with it, and 0.86 s with the difference that ranges of times use.
    seconds=lambda time: f"tsrange_subdiff({time}, TIMESTAMP '1970-01-01')",
    days=lambda date: f"({date} - DATE '1970-01-01')",
    text=lambda text: f"CAST(CAST('x' || substr(md5({text}), 1, 8) AS bit(32)) AS bigint)",
)
_APPEND_ONLY = "append_only"  # the trigger, and its function


@dataclass(frozen=True)
class TableColumn:
    """A column of the database: its type as `format_type` writes it (for a domain, the base type), and its comment."""

    name: str
    type: str
    required: bool
    comment: str | None


@dataclass(frozen=True)
class Partitioning:
    """How a table is partitioned: by ranges of a column, or by its values."""

    column: str
    strategy: str

    @classmethod
    def of(cls, column: str, kind: Kind) -> "Partitioning":
        """What partitions of that kind need."""
        return cls(column, "LIST" if kind is Kind.NAME else "RANGE")

    def __str__(self) -> str:
        return f"partitions by {self.strategy} of {self.column}"


class Table:
    """One table of a schema, inspected and changed through a connection."""

    def __init__(self, connection: psycopg.Connection, schema: str, name: str) -> None:
        self.connection = connection
        self.schema = schema
        self.name = name

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name, quoted."""
        return sql.Identifier(self.schema, self.name)

    def sibling(self, name: str) -> "Table":
        """The table of that name in the same schema, whether it exists or not."""
        return Table(self.connection, self.schema, name)

    def columns(self) -> list[TableColumn]:
        """The table's columns in order; empty where it does not exist. Takes no lock on the table."""
        found = self.connection.execute(
            """
            SELECT a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid),
                CASE WHEN t.typbasetype = 0 THEN a.atttypmod ELSE t.typtypmod END),
                a.attnotnull, col_description(c.oid, a.attnum)
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """,
            [self.schema, self.name],
        )
        return [TableColumn(*row) for row in found]

    def exists(self) -> bool:
        """True: the table exists."""
        return bool(self.columns())

    def partitioning(self) -> Partitioning | None:
        """How the table is partitioned, with or without partitions; None where it is one whole."""
        found = self.connection.execute(
            """
            SELECT coalesce(a.attname, 'an expression'), CASE p.partstrat WHEN 'l' THEN 'LIST' ELSE 'RANGE' END
            FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
            WHERE n.nspname = %s AND c.relname = %s
            """,
            [self.schema, self.name],
        ).fetchone()
        return None if found is None else Partitioning(*found)

    def parent(self) -> str | None:
        """The table that this one is a partition of; None where it is none."""
        found = self.connection.execute(
            """
            SELECT p.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND c.relispartition
            """,
            [self.schema, self.name],
        ).fetchone()
        return None if found is None else str(found[0])

    def keys(self) -> list[Key]:
        """The keys of the table's partitions, in order."""
        # With 0 as its relation, pg_get_expr returns NULL for a partition that is exchanged at this moment, instead of
        # an error. The server parses the bounds itself, in the date style in which it wrote them.
        found = self.connection.execute(
            r"""
            WITH found AS (
                SELECT format_type(a.atttypid, NULL) AS type, pg_get_expr(p.relpartbound, 0) AS bound
                FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
                JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace
                JOIN pg_partitioned_table t ON t.partrelid = c.oid
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = t.partattrs[0]
                WHERE n.nspname = %s AND c.relname = %s
            ), keys AS (
                SELECT type, coalesce(substring(bound FROM $q$FROM \('([^']+)'\) TO$q$),
                    replace(substring(bound FROM $q$^FOR VALUES IN \('(.*)'\)$q$), $q$''$q$, $q$'$q$)) AS key FROM found
            )
            SELECT CASE WHEN type = 'date' THEN key::date END,
                CASE WHEN type = 'timestamp with time zone' THEN extract(epoch FROM key::timestamptz) END,
                CASE WHEN type = 'text' THEN key END
            FROM keys WHERE key IS NOT NULL
            """,
            [self.schema, self.name],
        )
        held: list[Key] = []
        for day, seconds, text in found:
            key = day or text if seconds is None else datetime.fromtimestamp(float(seconds), tz=UTC)
            held += [] if key is None else [key]
        return sorted(held)  # all of one type

    def size(self) -> int:
        """Bytes on the disk, with indexes."""
        row = self.connection.execute(
            "SELECT pg_total_relation_size(format('%%I.%%I', %s::text, %s::text)::regclass)", [self.schema, self.name]
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def create(self, schema: pa.Schema, types: dict[str, str], partitioning: Partitioning | None) -> None:
        """Create the table; descriptions become comments."""
        # Not IF NOT EXISTS: that needs the right to create schemas even where the schema exists.
        found = self.connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [self.schema])
        if found.fetchone() is None:
            self.connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        columns = sql.SQL(", ").join(_definition(name, types[name], schema.field(name).nullable) for name in types)
        by_key = (
            sql.SQL("")
            if partitioning is None
            else sql.SQL(" PARTITION BY {} ({})").format(
                sql.SQL(partitioning.strategy), sql.Identifier(partitioning.column)
            )
        )
        self.connection.execute(sql.SQL("CREATE TABLE {} ({})").format(self.identifier, columns) + by_key)
        comment = description(schema)
        if comment is not None:
            self.connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(self.identifier, sql.Literal(comment)))

    def added_columns(self, types: Iterable[tuple[str, str]]) -> list[sql.Composed]:
        """The statements that add columns."""
        return [
            sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(self.identifier, _definition(name, kind, nullable=True))
            for name, kind in types
        ]

    def altered_columns(self, types: Mapping[str, str], *, keep: bool) -> list[sql.Composed]:
        """The statements that give columns other types.

        Args:
            types: column -> its new type.
            keep: cast the values; False where there are none.
        """
        using = "" if keep else " USING NULL::{kind}"
        return [
            sql.SQL("ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}" + using).format(
                table=self.identifier, column=sql.Identifier(name), kind=sql.SQL(kind)
            )
            for name, kind in types.items()
        ]

    def has_value(self, column: str) -> bool:
        """True: a row has a value in the column."""
        query = sql.SQL("SELECT FROM {} WHERE {} IS NOT NULL LIMIT 1")
        found = self.connection.execute(query.format(self.identifier, sql.Identifier(column)))
        return found.fetchone() is not None

    def comment(self, column: str, text: str) -> None:
        """Comment on the column in the database."""
        self.connection.execute(
            sql.SQL("COMMENT ON COLUMN {}.{} IS {}").format(self.identifier, sql.Identifier(column), sql.Literal(text))
        )

    def index(self, column: str, method: str) -> None:
        """Index the column by an access method, for example `brin`, unless such an index exists."""
        found = self.connection.execute(
            """
            SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
            JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
            WHERE n.nspname = %s AND c.relname = %s AND a.attname = %s AND m.amname = %s
                AND i.indnatts = 1 AND i.indpred IS NULL
            """,
            [self.schema, self.name, column, method],
        )
        if found.fetchone() is not None:
            return
        self.connection.execute(
            sql.SQL("CREATE INDEX ON {} USING {} ({})").format(
                self.identifier, sql.Identifier(method), sql.Identifier(column)
            )
        )

    def is_referenced(self) -> bool:
        """True: a foreign key of another table references the table."""
        found = self.connection.execute(
            """
            SELECT FROM pg_constraint o JOIN pg_class c ON c.oid = o.confrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE o.contype = 'f' AND n.nspname = %s AND c.relname = %s
            """,
            [self.schema, self.name],
        )
        return found.fetchone() is not None

    def is_append_only(self) -> bool:
        """True: the table refuses changes of its rows."""
        found = self.connection.execute(
            """
            SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND t.tgname = %s
            """,
            [self.schema, self.name, _APPEND_ONLY],
        )
        return found.fetchone() is not None

    def make_append_only(self) -> None:
        """Refuse every UPDATE, DELETE and TRUNCATE of the table, for every role."""
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


def _definition(name: str, kind: str, nullable: bool) -> sql.Composed:
    # The type is one of TYPE_NAMES or an output of format_type, never text from outside.
    return sql.SQL("{} {}{}").format(sql.Identifier(name), sql.SQL(kind), sql.SQL("" if nullable else " NOT NULL"))
