"""Arrow's types as a store's: each store has a table of type names, and the refusals are the same for all."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.partition import Key, Kind, Partition, key_column, kind_of
from taxi_assets.stores.rows import Rows, conform
from taxi_assets.stores.type_changes import TypeMap, decimal_type

_STORED_AS = {
    pa.int8(): pa.int16(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float64(),
    pa.float32(): pa.float64(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.date64(): pa.date32(),
    pa.time32("s"): pa.time64("us"),
    pa.time32("ms"): pa.time64("us"),
    pa.time64("ns"): pa.time64("us"),
}
_INTERVALS = "store an interval as a number, for example its seconds"


def storable(rows: Rows) -> Rows:
    """The rows with every column cast to the type that tables store, for example nanoseconds to microseconds.

    The types of a DataFrame (categories, nanoseconds, large strings, times of any zone) become one of the few types
    that stores have; all others stay, and are refused by name when the table is created. A column of nulls has no type
    yet.
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


def _stored_as(kind: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - a table of rules
    if pa.types.is_dictionary(kind):
        return _stored_as(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_decimal(kind):
        places = max(kind.scale, 0)  # 1E+3 has fewer than none
        return decimal_type(kind.precision - kind.scale + places, places) or kind
    if any(is_one(kind) for is_one in _LISTS):
        return pa.list_(_stored_as(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_stored_as(field.type)) for field in kind])
    return _STORED_AS.get(kind, kind)


_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


def type_names(schema: pa.Schema, types: TypeMap) -> dict[str, str]:
    """Column name -> the store's name for its type.

    Raises:
        SchemaMismatch: the store lacks a type, two columns have one name, or there is no column; the text names them.
    """
    if not schema.names:
        raise SchemaMismatch(f"{types.store} cannot hold rows without a column")
    twice = sorted(name for name, times in Counter(schema.names).items() if times > 1)
    if twice:
        raise SchemaMismatch(f"more than one column is called {', '.join(twice)}")
    names = {field.name: types.name_of(field.type) for field in schema}
    unknown = [field for field in schema if names[field.name] is None]
    if unknown:
        found = ", ".join(f"{field.name} ({field.type})" for field in unknown)
        way_out = f": {_INTERVALS}" if any(_is_interval(field.type) for field in unknown) else ""
        raise SchemaMismatch(f"{types.store} cannot hold the columns {found}{way_out}")
    return {column: name for column, name in names.items() if name is not None}


def _is_interval(kind: pa.DataType) -> bool:
    return bool(pa.types.is_duration(kind) or pa.types.is_interval(kind))


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


def with_key(rows: Rows, column: str | None, partition: Partition | None) -> Rows:
    """The rows with the partition's key in the column, which is added where they lack it.

    Args:
        rows: of one partition.
        column: the key column's name; by default that of the partition's kind.
        partition: None for a whole table: the rows as they are.

    Raises:
        SchemaMismatch: while streaming, where the rows have the column with another value: see `of_partition`.
    """
    if partition is None or key_column(column, partition) in rows.schema.names:
        return of_partition(rows, column, partition)
    kind = kind_of(partition)
    text = "First day of the month of the partition." if kind is Kind.MONTH else "Key of the partition."
    field = pa.field(key_column(column, partition), kind.key_type, nullable=False, metadata={"description": text})
    schema = rows.schema.append(field)

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches():
            keys = pa.repeat(pa.scalar(partition.key, kind.key_type), batch.num_rows)
            yield conform(batch.append_column(field, keys), schema)

    return Rows(schema, open_batches, confirm=rows.confirm)


def of_partition(rows: Rows, column: str | None, partition: Partition | None) -> Rows:
    """The rows with the key column, if they have it, in its type and with the partition's key in every row.

    A timestamp at midnight (pandas has no type for dates), also with a time zone, and text such as 2024-01-01 are cast
    to a DATE; a time without a zone counts as UTC where the key is an instant. Readers select a partition by its key: a
    row with another value would be loaded and never be found.

    Raises:
        SchemaMismatch: while streaming, where a row has another value; the text names the column and the value.
    """
    if partition is None:
        return rows
    name = key_column(column, partition)
    index = rows.schema.get_field_index(name)
    if index < 0:
        return rows
    field, wanted = rows.schema.field(index), kind_of(partition).key_type
    schema = rows.schema.set(index, field.with_type(wanted))

    def open_batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches():
            keys = _keys(batch.column(index), name, partition)
            yield pa.RecordBatch.from_arrays([*batch.columns[:index], keys, *batch.columns[index + 1 :]], schema=schema)

    return rows.watched(open_batches) if field.type == wanted else Rows(schema, open_batches, confirm=rows.confirm)


def other_key(column: str, partition: Partition, value: object) -> SchemaMismatch:
    """The error for rows of which one is not of the partition."""
    found = "no value" if value is None else repr(str(value))
    key_type = {Kind.NAME: "text", Kind.TIME: "instant"}.get(kind_of(partition), "DATE")
    return SchemaMismatch(
        f"{column} must hold the {key_type} {partition.key} in every row of {partition}, and one holds {found}: "
        f"put that into the column, or leave the column out, and it is filled in"
    )


def _keys(values: pa.Array, column: str, partition: Partition) -> pa.Array:
    """The values in the key's type, after a check that each is the partition's key."""
    import pyarrow.compute as pc  # 0.06 s, which loading the definitions does not wait for

    kind = kind_of(partition)
    if len(values) == 0:
        return pa.nulls(0, kind.key_type)
    found = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    if pa.types.is_string_view(found.type):
        found = found.cast(pa.string())
    if pa.types.is_timestamp(found.type) and found.type.tz is not None and kind is not Kind.TIME:
        found = pc.local_timestamp(found)
    if found.null_count:
        raise other_key(column, partition, None)
    # By the extremes: to compare with a value, Arrow would import pandas, which makes an array of it.
    extremes = pc.min_max(found).as_py().values() if _may_be_keys(found.type) else [found[0].as_py()]
    for value in extremes:
        if not stands_for(value, partition.key):
            raise other_key(column, partition, value)
    if pa.types.is_string(found.type) or pa.types.is_large_string(found.type):
        return pa.repeat(pa.scalar(partition.key, kind.key_type), len(found))
    return found.cast(kind.key_type)


def _may_be_keys(kind: pa.DataType) -> bool:
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(is_text or pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def stands_for(value: object, key: Key) -> bool:
    """True: the value of a key column, in any type that can hold the key, is the key."""
    if isinstance(key, datetime):
        return isinstance(value, datetime) and (value if value.tzinfo else value.replace(tzinfo=UTC)) == key
    if isinstance(value, datetime) and not isinstance(key, str):
        return value == datetime.combine(key, time())
    return value in (key, str(key))


def description(field: pa.Field | pa.Schema) -> str | None:
    """The description in the metadata of the field or table; None where there is none."""
    text = (field.metadata or {}).get(b"description")
    return text.decode() if text is not None else None
