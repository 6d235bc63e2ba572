"""From Arrow's types to a store's: each store has one table of names, and one place says what does not fit."""

from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.rows import Rows, conform

_STORED_AS = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float64(),
    pa.float32(): pa.float64(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.date64(): pa.date32(),
    pa.null(): pa.string(),
}


def storable(rows: Rows) -> Rows:
    """The rows with every column in the type that tables hold it in, for example nanoseconds as microseconds.

    What a DataFrame brings along (categories, all-null columns, nanoseconds, large strings) becomes one of the few
    types that every store has; anything else stays and is refused by name when the table is made.
    """
    schema = pa.schema([field.with_type(_stored_as(field.type)) for field in rows.schema], rows.schema.metadata)
    return complete(rows.with_schema(schema))


def complete(rows: Rows) -> Rows:
    """The rows, refused by name where a column lacks a value that it must have.

    Raises:
        SchemaMismatch: while streaming.
    """
    required = [field.name for field in rows.schema if not field.nullable]

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches():
            lacking = [name for name in required if batch.column(name).null_count]
            if lacking:
                raise SchemaMismatch(f"every row must have a value in {', '.join(lacking)}, and some have none")
            yield batch

    return rows.watched(open_batches)


def _stored_as(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _stored_as(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return _STORED_AS.get(kind, kind)


def type_names(schema: pa.Schema, names: Mapping[pa.DataType, str], store: str) -> dict[str, str]:
    """Column name -> the store's name for its type.

    Raises:
        SchemaMismatch: the store has no such type, or two columns have one name; the text names the columns.
    """
    twice = sorted(name for name, times in Counter(schema.names).items() if times > 1)
    if twice:
        raise SchemaMismatch(f"more than one column is called {', '.join(twice)}")
    unknown = [f"{field.name} ({field.type})" for field in schema if field.type not in names]
    if unknown:
        raise SchemaMismatch(f"{store} cannot hold the columns {', '.join(unknown)}")
    return {field.name: names[field.type] for field in schema}


def with_month(rows: Rows, column: str, month: Month) -> Rows:
    """The rows with the month's first day in the column; rows that already have the column are taken at their word."""
    if column in rows.schema.names:
        return rows
    field = pa.field(
        column, pa.date32(), nullable=False, metadata={"description": "First day of the month of the partition."}
    )
    schema = rows.schema.append(field)

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches():
            months = pa.repeat(pa.scalar(month.first_day), batch.num_rows)
            yield conform(batch.append_column(field, months), schema)

    return Rows(schema, open_batches, confirm=rows.confirm)


def description(field: pa.Field | pa.Schema) -> str | None:
    """What the field or the table is for, where its metadata says so."""
    text = (field.metadata or {}).get(b"description")
    return text.decode() if text is not None else None
