"""Copy what users added to a partition, or to the table (indexes, keys, checks, rights, …), to the new partition.

`CREATE TABLE … (LIKE …)` would do most of it, but locks the table that it reads until the end of the transaction, which
is the load: no session could add a column meanwhile, and two concurrent months would block each other's exchange. This
module reads Postgres' system catalogue instead, where the server prints each definition.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

ONE_KEY = "one_month"  # the CHECK that each incoming table gets; its name is that of tables of months
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


@dataclass(frozen=True)
class Copied:
    """A table's definition, as statements for a table of another name.

    Attributes:
        columns: name -> definition.
        checks: name -> definition.
        before: statements to run before the rows are loaded: storage and options.
        after: statements to run once they are loaded: indexes, keys, comments and rights.
        foreign_keys: statements to run last, since they lock other tables.
    """

    columns: dict[str, sql.Composed]
    checks: dict[str, sql.Composed]
    before: list[sql.Composed]
    after: list[sql.Composed]
    foreign_keys: list[sql.Composed]


def copied(
    connection: psycopg.Connection, source: tuple[str, str], root: tuple[str, str], to: sql.Identifier
) -> Copied:
    """The definition of a table as statements that create another one like it.

    Args:
        connection: to the server.
        source: schema and name of the table to copy.
        root: schema and name of the partitioned table, whose sequences number the rows of identity columns.
        to: the name of the other one.
    """
    table = _Source(connection, *source, to)
    is_partition = source != root
    columns, identities = _columns(table, root)
    return Copied(
        columns,
        _checks(table),
        [*_storage(table), *_options(table)],
        [
            *(sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT").format(to, name) for name in identities),
            *_indexes(table),
            *_keys(table),
            *(_comments(table) if is_partition else ()),
            *(_rights(table) if is_partition else ()),
        ],
        _foreign_keys(table),
    )


@dataclass(frozen=True)
class _Source:
    """The table whose definition is read, and the name of the other one."""

    connection: psycopg.Connection
    schema: str
    name: str
    to: sql.Identifier

    def constraints(self, kind: str) -> list[tuple[Any, ...]]:
        # A key that references a partitioned table has another row for each of its partitions; Postgres creates those.
        return self.rows(
            """
            SELECT o.conname, pg_get_constraintdef(o.oid) FROM source JOIN pg_constraint o ON o.conrelid = source.oid
            LEFT JOIN pg_constraint parent ON parent.oid = o.conparentid
            WHERE o.contype = %(kind)s AND parent.conrelid IS DISTINCT FROM o.conrelid
                AND NOT (o.connoinherit AND o.contype = 'c' AND EXISTS (
                    SELECT FROM pg_class c WHERE c.oid = source.oid AND c.relkind = 'p'))
            ORDER BY o.conname
            """,
            kind=kind,
        )

    def rows(self, query: LiteralString, **values: object) -> list[tuple[Any, ...]]:
        source = (
            "WITH source AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %(schema)s AND c.relname = %(name)s) "
        )
        return self.connection.execute(source + query, {"schema": self.schema, "name": self.name, **values}).fetchall()


def _columns(source: _Source, root: tuple[str, str]) -> tuple[dict[str, sql.Composed], list[sql.Identifier]]:
    """The definitions, and the names of identity columns, which take over the table's identity on ATTACH.

    Columns that are aligned to more bytes come first, so that no padding lies between them: a yellow month takes 214 MB
    instead of 235. Postgres matches the columns of a partition and its table by name.
    """
    found = source.rows(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity <> '',
            pg_get_expr(d.adbin, d.adrelid),
            CASE WHEN a.attcollation <> t.typcollation THEN format('%%I.%%I', cn.nspname, co.collname) END,
            CASE WHEN a.attidentity <> ''
                THEN pg_get_serial_sequence(format('%%I.%%I', %(root_schema)s::text, %(root)s::text), a.attname) END
        FROM source JOIN pg_attribute a ON a.attrelid = source.oid JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
        WHERE a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attlen < 0, array_position('{d,i,s,c}'::"char"[], a.attalign), a.attnum
        """,
        root_schema=root[0],
        root=root[1],
    )
    definitions, identities = {}, []
    for name, kind, required, generated, is_identity, expression, collation, sequence in found:
        parts = [sql.Identifier(name), sql.SQL(kind)]
        if collation is not None:
            parts.append(sql.SQL(f"COLLATE {collation}"))
        if generated:
            parts.append(sql.SQL(f"GENERATED ALWAYS AS ({expression}) {'VIRTUAL' if generated == 'v' else 'STORED'}"))
        elif is_identity:
            identities.append(sql.Identifier(name))
            parts.append(sql.SQL("DEFAULT nextval({}::regclass)").format(sql.Literal(sequence)))
        elif expression is not None:
            parts.append(sql.SQL(f"DEFAULT {expression}"))
        if required:
            parts.append(sql.SQL("NOT NULL"))
        definitions[name] = sql.SQL(" ").join(parts)
    return definitions, identities


def _checks(source: _Source) -> dict[str, sql.Composed]:
    return {
        name: sql.SQL("CONSTRAINT {} {}").format(sql.Identifier(name), sql.SQL(text))
        for name, text in source.constraints("c")
        if name != ONE_KEY
    }


def _storage(source: _Source) -> list[sql.Composed]:
    found = source.rows(
        """
        SELECT a.attname, CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END, a.attcompression,
            a.attstattarget
        FROM source JOIN pg_attribute a ON a.attrelid = source.oid JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """
    )
    changes = []
    for name, storage, compression, target in found:
        if storage:
            changes.append((name, f"SET STORAGE {_STORAGE[storage]}"))
        if compression in _COMPRESSION:
            changes.append((name, f"SET COMPRESSION {_COMPRESSION[compression]}"))
        if target is not None and target >= 0:
            changes.append((name, f"SET STATISTICS {target:d}"))
    return [
        sql.SQL("ALTER TABLE {} ALTER COLUMN {} {}").format(source.to, sql.Identifier(name), sql.SQL(change))
        for name, change in changes
    ]


def _options(source: _Source) -> list[sql.Composed]:
    found = source.rows(
        "SELECT option_name, option_value FROM source JOIN pg_class c ON c.oid = source.oid, "
        "pg_options_to_table(c.reloptions)"
    )
    return [
        sql.SQL("ALTER TABLE {} SET ({} = {})").format(source.to, sql.Identifier(name), sql.Literal(value))
        for name, value in found
    ]


def _indexes(source: _Source) -> list[sql.Composed]:
    """The indexes that no constraint creates."""
    found = source.rows(
        """
        SELECT i.indisunique, substr(pg_get_indexdef(i.indexrelid), 1 + length(format(
            'CREATE %%sINDEX %%I ON %%s%%I.%%I ',
            CASE WHEN i.indisunique THEN 'UNIQUE ' END, c.relname, CASE WHEN c.relkind = 'I' THEN 'ONLY ' END,
            %(schema)s::text, %(name)s::text)))
        FROM source JOIN pg_index i ON i.indrelid = source.oid JOIN pg_class c ON c.oid = i.indexrelid
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
        ORDER BY c.relname
        """
    )
    return [
        sql.SQL("CREATE {} INDEX ON {} {}").format(sql.SQL("UNIQUE" if unique else ""), source.to, sql.SQL(definition))
        for unique, definition in found
    ]


def _keys(source: _Source) -> list[sql.Composed]:
    # Without names: the index names are in use in the schema for as long as the old partition exists.
    return [
        sql.SQL("ALTER TABLE {} ADD {}").format(source.to, sql.SQL(text))
        for kind in "pux"
        for _, text in source.constraints(kind)
    ]


def _foreign_keys(source: _Source) -> list[sql.Composed]:
    return [
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(source.to, sql.Identifier(name), sql.SQL(text))
        for name, text in source.constraints("f")
    ]


def _comments(source: _Source) -> list[sql.Composed]:
    found = source.rows(
        """
        SELECT a.attname, d.description FROM source JOIN pg_description d
            ON d.objoid = source.oid AND d.classoid = 'pg_class'::regclass
        LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
        """
    )
    return [
        sql.SQL("COMMENT ON {} IS {}").format(
            sql.SQL("TABLE {}").format(source.to)
            if column is None
            else sql.SQL("COLUMN {}.{}").format(source.to, sql.Identifier(column)),
            sql.Literal(text),
        )
        for column, text in found
    ]


def _rights(source: _Source) -> list[sql.Composed]:
    found = source.rows(
        """
        SELECT g.privilege_type, r.rolname, g.is_grantable, g.attname FROM source, LATERAL (
            SELECT x.*, NULL AS attname FROM pg_class c, aclexplode(c.relacl) x
            WHERE c.oid = source.oid AND x.grantee <> c.relowner
            UNION ALL
            SELECT x.*, a.attname FROM pg_attribute a, aclexplode(a.attacl) x
            WHERE a.attrelid = source.oid AND NOT a.attisdropped
        ) g LEFT JOIN pg_roles r ON r.oid = g.grantee ORDER BY 1, 2, 4
        """
    )
    return [
        sql.SQL("GRANT {} {} ON {} TO {} {}").format(
            sql.SQL(right),
            sql.SQL("") if column is None else sql.SQL("({})").format(sql.Identifier(column)),
            source.to,
            sql.SQL("PUBLIC") if role is None else sql.Identifier(role),
            sql.SQL("WITH GRANT OPTION" if passed_on else ""),
        )
        for right, role, passed_on, column in found
    ]
