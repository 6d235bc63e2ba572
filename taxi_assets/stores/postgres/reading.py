"""Rows out of Postgres: as a stream of record batches through a server-side cursor, or one row by its key."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from taxi_assets.errors import SchemaMismatch, SliceMissing
from taxi_assets.stores.digest import Digest, Parts, digest_query
from taxi_assets.stores.partition import Partition, key_column, missing_from
from taxi_assets.stores.postgres.column_types import beside_values, field_of, selected
from taxi_assets.stores.postgres.connection import Url, connected, transaction
from taxi_assets.stores.postgres.tables import DIALECT, Table
from taxi_assets.stores.rows import Rows

_READ_ROWS = 20_000


def read_rows(url: Url, schema: str, table: str, column: str | None, partitions: Sequence[Partition] | None) -> Rows:
    """The rows of the table, or of these partitions of it.

    Args:
        url: of the server.
        schema: of the table.
        table: its name.
        column: the key column's name; by default that of the partitions' kind.
        partitions: None for the whole table.

    Raises:
        SliceMissing: the table, or a partition of it, does not exist.
    """
    with connected(url) as connection, transaction(connection):
        found = Table(connection, schema, table)
        columns = found.columns()
        missing = missing_from(found.keys(), partitions) if partitions is not None else []
    if not columns or missing:
        what = f"{table} {', '.join(missing)}".strip()
        raise SliceMissing(f"Postgres has no {schema}.{what}: materialize it first")
    arrow_schema = pa.schema([field_of(column) for column in columns])
    names = sql.SQL(", ").join(map(selected, columns))
    query = sql.SQL("SELECT {} FROM {}").format(names, beside_values(schema, table))
    if partitions:
        query += sql.SQL(" WHERE {} = ANY(%s)").format(beside_values(key_column(column, partitions[0])))
    elif partitions is not None:
        query += sql.SQL(" WHERE false")

    def open_batches() -> Iterator[pa.RecordBatch]:
        bound = [[one.key for one in partitions]] if partitions else []
        with connected(url) as connection:
            yield from _stream(connection, query, bound, arrow_schema)

    return Rows(arrow_schema, open_batches)


def find_row(connection: psycopg.Connection, table: Table, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row that has these values; None where there is none, or no table."""
    with transaction(connection):
        columns = table.columns()
    if not columns:
        return None
    arrow_schema = pa.schema([field_of(column) for column in columns])
    query = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
        sql.SQL(", ").join(map(selected, columns)),
        beside_values(table.schema, table.name),
        sql.SQL(" AND ").join(sql.SQL("{} = %s").format(beside_values(name)) for name in wanted),
    )
    batches = _stream(connection, query, list(wanted.values()), arrow_schema)
    found = [row for batch in batches for row in batch.to_pylist()]
    return found[0] if found else None


def digest_of(table: Table, parts: Parts, position: str, total: str | None) -> Digest:
    """A digest of the table, inside the caller's transaction: see `stores.digest`."""
    # A table that was loaded just now has no statistics, and Postgres would sort all rows to group them.
    table.connection.execute("SET LOCAL enable_sort = off; SET LOCAL jit = off")
    query = digest_query(DIALECT, table.identifier.as_string(table.connection), parts, position, total)
    answer = table.connection.execute(query.encode()).fetchone()
    return Digest.of(answer or (), parts)


def _stream(
    connection: psycopg.Connection, query: sql.Composed, bound: Sequence[Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The query's rows as record batches of the schema, fetched in pages."""
    with transaction(connection), connection.cursor("taxi_rows", binary=True) as cursor:
        cursor.execute(query, bound)
        while fetched := cursor.fetchmany(_READ_ROWS):
            columns = zip(*fetched, strict=True)
            arrays = [_array(values, field) for values, field in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaMismatch(
            f"column {field.name} holds a value that cannot be read as {field.type}: {error}"
        ) from error
