"""Rows into Postgres as a binary COPY stream, and out of it as record batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import pgpq
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.postgres.connection import transaction
from taxi_assets.stores.rows import Rows

_WRITE_ROWS = 2_000  # encoded in two milliseconds, for as long as the server lives on what is in the socket
_READ_ROWS = 20_000


class _ShortQueueWriter(QueuedLibpqWriter):
    """Sends from a thread of its own; psycopg's queue of 1,024 pieces of ours would hold 230 MB."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self._queue = type(self._queue)(maxsize=16)


def copy_in(connection: psycopg.Connection, table: sql.Identifier, rows: Rows, *, is_new: bool) -> int:
    """Append the rows to the table, by column name, and return their number.

    One thread encodes while another sends, so that the server, the slower of the two sides, never waits. Columns
    without a value are left out: 2.6 s instead of 2.9 s where five of 26 are.

    Args:
        connection: with an open transaction.
        table: where to.
        rows: what.
        is_new: the table was made in this transaction. Its rows can then be stored as visible to everybody, which saves
            the first reader from rewriting every page to say so.
    """
    empty = rows.empty_columns()
    names = [name for name in rows.schema.names if name not in empty] or rows.schema.names
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY, FREEZE {})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, names)), sql.Literal(is_new)
    )
    encoder = pgpq.ArrowToPostgresBinaryEncoder(pa.schema([rows.schema.field(name) for name in names]))
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement, writer=_ShortQueueWriter(cursor)) as copy:
        copy.write(encoder.write_header())
        for batch in (batch.select(names) for batch in rows.batches()):
            for start in range(0, batch.num_rows, _WRITE_ROWS):
                copy.write(encoder.write_batch(batch.slice(start, _WRITE_ROWS)))
            count += batch.num_rows
        copy.write(encoder.finish())
    return count


def stream_out(
    connection: psycopg.Connection, query: sql.Composed, bound: Sequence[Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The query's rows as record batches of the schema, fetched piece by piece."""
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
