"""Parquet files of the lake: deterministic writing, look-up of a row, and the common schema of partitions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.arrow import complete
from taxi_assets.stores.os_errors import file_failures
from taxi_assets.stores.rows import BATCH_ROWS, NULL_COUNTS, PROVENANCE, Rows, schema_of_parquet
from taxi_assets.stores.type_changes import wider

_NO_LIMIT = 1 << 30  # bytes; a page of 122,880 rows has few of them


def write_parquet(rows: Rows, path: Path) -> int:
    """Write the rows as one Parquet file and return their number; the same rows always give the same bytes.

    The file's metadata record the number of nulls in each column (`NULL_COUNTS`), since Parquet's statistics exist for
    some columns only.

    Row groups have a fixed size and each of their columns is one page, so that the bytes do not depend on the limits of
    the batches. Times, dates and wide integers are delta-encoded with min/max statistics, all other columns
    dictionary-encoded without: no query skips a row group by a fare.

    Raises:
        SchemaMismatch: Parquet does not have a column's type, or a required value is missing.
    """
    import pyarrow.parquet as pq

    rows = _without_views(rows)
    _require_types_of_parquet(rows.schema)
    by_difference = [field.name for field in rows.schema if _is_delta_encoded(field.type)]
    with pq.ParquetWriter(
        path,
        rows.schema,
        compression="snappy",
        use_dictionary=[field.name for field in rows.schema if field.name not in by_difference],
        column_encoding=dict.fromkeys(by_difference, "DELTA_BINARY_PACKED"),
        write_statistics=by_difference,
        data_page_size=_NO_LIMIT,
        dictionary_pagesize_limit=_NO_LIMIT,
    ) as writer:
        count = 0
        nulls = dict.fromkeys(rows.schema.names, 0)
        for table in _even_tables(complete(rows)):
            writer.write_table(table, row_group_size=BATCH_ROWS)
            count += table.num_rows
            nulls = {name: missing + table[name].null_count for name, missing in nulls.items()}
        writer.add_key_value_metadata({NULL_COUNTS: json.dumps(nulls)})
    return count


def _without_views(rows: Rows) -> Rows:
    """The rows with the categories of Polars, which Arrow does not write, as text."""
    fields = [
        field.with_type(pa.string())
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type)
        else field
        for field in rows.schema
    ]
    return rows.with_schema(pa.schema(fields, rows.schema.metadata))


def find_row(file: BinaryIO, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row that has these values; reads only the row groups that may have it."""
    import pyarrow.parquet as pq

    found = pq.read_table(file, filters=[(name, "=", value) for name, value in key.items()], partitioning=None)
    return next(iter(found.slice(0, 1).to_pylist()), None)


def _require_types_of_parquet(schema: pa.Schema) -> None:
    import pyarrow.parquet as pq

    unknown = []
    for field in schema:
        try:
            pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
        except pa.ArrowNotImplementedError:
            unknown.append(f"{field.name} ({field.type})")
    if unknown:
        raise SchemaMismatch(f"Parquet cannot hold the columns {', '.join(unknown)}")


def schema_by_values(file: Path | BinaryIO) -> tuple[pa.Schema, pa.Schema]:
    """The schema of a Parquet file, and the same without the types of the columns that have no value in any row.

    Raises:
        SliceDamaged: the file of that path cannot be read; exceptions of an open file pass through.
    """
    import pyarrow.parquet as pq

    schema = schema_of_parquet(file)
    with file_failures(file) if isinstance(file, Path) else nullcontext(), pq.ParquetFile(file) as parquet:
        rows = parquet.metadata.num_rows
    nulls = json.loads((schema.metadata or {}).get(NULL_COUNTS.encode(), b"{}"))
    fields = [
        field.with_type(pa.null()) if rows == 0 or nulls.get(field.name) == rows else field.remove_metadata()
        for field in schema
    ]
    return schema, pa.schema(fields)


def common_schema(schemas: Sequence[tuple[pa.Schema, pa.Schema]], table: str) -> pa.Schema:
    """One schema that the rows of all partitions fit, without the provenance, which differs between them.

    Args:
        schemas: of each partition, by `schema_by_values`.
        table: the table's name.

    Raises:
        SchemaMismatch: there is none, for example where a column is text in one partition and a number in another.
    """
    types: dict[str, pa.DataType] = {}
    for _, by_values in schemas:
        for field in by_values:
            held = types.get(field.name, pa.null())
            both = wider(held, field.type) or _promoted(held, field.type)
            if both is None:
                raise SchemaMismatch(
                    f"the partitions of {table} do not fit together: {field.name} is {held} in one and {field.type} in "
                    "another, and neither holds the values of the other. Cast the column in the asset, and materialize "
                    "the partitions of the other type again"
                )
            types[field.name] = both
    alike = [
        pa.schema(
            [field if pa.types.is_null(types[field.name]) else field.with_type(types[field.name]) for field in schema],
            schema.metadata,
        )
        for schema, _ in schemas
    ]
    try:
        schema = pa.unify_schemas(alike, promote_options="permissive")
    except pa.ArrowTypeError as error:
        raise SchemaMismatch(f"the partitions of {table} do not fit together: {error}") from error
    shared = {key: value for key, value in (schema.metadata or {}).items() if not key.startswith(PROVENANCE.encode())}
    return schema.with_metadata(shared)


def _promoted(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """What Arrow reads both as: types that only files have, such as int8, or integers as floats, a value at a time."""
    if pa.types.is_decimal(one) or pa.types.is_decimal(other):
        return None  # it would take floats, which hold few decimals exactly
    try:
        both = pa.unify_schemas([pa.schema({"": one}), pa.schema({"": other})], promote_options="permissive")
    except pa.ArrowTypeError:
        return None
    return both.field(0).type


def _is_delta_encoded(kind: pa.DataType) -> bool:
    return bool(pa.types.is_temporal(kind) or pa.types.is_int32(kind) or pa.types.is_int64(kind))


def _even_tables(rows: Rows) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in rows.batches():
        waiting.append(batch)
        size += batch.num_rows
        while size >= BATCH_ROWS:
            table = pa.Table.from_batches(waiting, schema=rows.schema)
            yield table.slice(0, BATCH_ROWS)
            waiting = table.slice(BATCH_ROWS).to_batches()
            size -= BATCH_ROWS
    if size:
        yield pa.Table.from_batches(waiting, schema=rows.schema)
