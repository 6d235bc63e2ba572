"""Arrow's types as a store's: each store has a table of type names, and the refusals are the same for all."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time

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
    """The rows with every column cast to the type that tables store, for example nanoseconds to microseconds.

    The types of a DataFrame (categories, all-null columns, nanoseconds, large strings) become one of the few types that
    every store has; all others stay, and are refused by name when the table is created.
    """
    schema = pa.schema([field.with_type(_stored_as(field.type)) for field in rows.schema], rows.schema.metadata)
    return complete(rows.with_schema(schema))


def complete(rows: Rows) -> Rows:
    """The rows, with a check that every required column has a value.

    Raises:
        SchemaMismatch: while streaming; the text names the columns.
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
        SchemaMismatch: the store lacks a type, two columns have one name, or there is no column; the text names them.
    """
    if not schema.names:
        raise SchemaMismatch(f"{store} cannot hold rows without a column")
    twice = sorted(name for name, times in Counter(schema.names).items() if times > 1)
    if twice:
        raise SchemaMismatch(f"more than one column is called {', '.join(twice)}")
    unknown = [f"{field.name} ({field.type})" for field in schema if field.type not in names]
    if unknown:
        raise SchemaMismatch(f"{store} cannot hold the columns {', '.join(unknown)}")
    return {field.name: names[field.type] for field in schema}


def require_distinct(names: Iterable[str], store: str) -> None:
    """Refuse columns that are one to the store, which ignores case.

    Raises:
        SchemaMismatch: the text names them.
    """
    by_name: dict[str, set[str]] = {}
    for name in names:
        by_name.setdefault(name.lower(), set()).add(name)
    alike = [" and ".join(sorted(group)) for group in by_name.values() if len(group) > 1]
    if alike:
        raise SchemaMismatch(
            f"{store} does not distinguish columns whose names differ in upper and lower case only: {', '.join(alike)}"
        )


def with_month(rows: Rows, column: str, month: Month | None) -> Rows:
    """The rows with the month's first day as a DATE in the column, which is added where they lack it.

    Raises:
        SchemaMismatch: while streaming, where the rows have the column with another value: see `of_month`.
    """
    if month is None or column in rows.schema.names:
        return of_month(rows, column, month)
    field = pa.field(
        column, pa.date32(), nullable=False, metadata={"description": "First day of the month of the partition."}
    )
    schema = rows.schema.append(field)

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches():
            months = pa.repeat(pa.scalar(month.first_day), batch.num_rows)
            yield conform(batch.append_column(field, months), schema)

    return Rows(schema, open_batches, confirm=rows.confirm)


def of_month(rows: Rows, column: str, month: Month | None) -> Rows:
    """The rows with the column, if they have it, as a DATE that is the month's first day in every row.

    A timestamp at midnight (pandas has no type for dates), also with a time zone, and text such as 2024-01-01 are cast
    to a DATE. Readers select a month by that DATE: a row with another value would be loaded and never be found.

    Raises:
        SchemaMismatch: while streaming, where a row has another value; the text names the column and the value.
    """
    index = rows.schema.get_field_index(column)
    if month is None or index < 0:
        return rows
    field = rows.schema.field(index)
    schema = rows.schema.set(index, field.with_type(pa.date32()))

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches():
            days = _days(batch.column(index), column, month)
            yield pa.RecordBatch.from_arrays([*batch.columns[:index], days, *batch.columns[index + 1 :]], schema=schema)

    return rows.watched(open_batches) if field.type == pa.date32() else Rows(schema, open_batches, confirm=rows.confirm)


def other_month(column: str, month: Month, value: object) -> SchemaMismatch:
    """The error for rows of which one is not of the month."""
    found = "no value" if value is None else repr(str(value))
    return SchemaMismatch(
        f"{column} must hold the DATE {month.first_day} in every row of {month}, and one holds {found}: "
        f"put that day into the column, or leave the column out, and it is filled in"
    )


def _days(values: pa.Array, column: str, month: Month) -> pa.Array:
    """The values as dates, after a check that each is the month's first day."""
    import pyarrow.compute as pc  # 0.06 s, which loading the definitions does not wait for

    if len(values) == 0:
        return pa.nulls(0, pa.date32())
    found = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    if pa.types.is_timestamp(found.type) and found.type.tz is not None:
        found = pc.local_timestamp(found)
    if pa.types.is_string_view(found.type):
        found = found.cast(pa.string())
    if found.null_count:
        raise other_month(column, month, None)
    # By the extremes: to compare with a value, Arrow would import pandas, which makes an array of it.
    extremes = pc.min_max(found).as_py().values() if _may_be_days(found.type) else [found[0].as_py()]
    for value in extremes:
        if not _stands_for(value, month.first_day):
            raise other_month(column, month, value)
    return found.cast(pa.date32())


def _may_be_days(kind: pa.DataType) -> bool:
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _stands_for(value: object, day: date) -> bool:
    if isinstance(value, datetime):
        return value == datetime.combine(day, time())
    return value in (day, str(day))


def description(field: pa.Field | pa.Schema) -> str | None:
    """The description in the metadata of the field or table; None where there is none."""
    text = (field.metadata or {}).get(b"description")
    return text.decode() if text is not None else None
