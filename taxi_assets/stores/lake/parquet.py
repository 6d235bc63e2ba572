"""Parquet files of the lake: deterministic writing, look-up of a row, and the common schema of partitions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.arrow import complete
from taxi_assets.stores.rows import BATCH_ROWS, NULL_COUNTS, PROVENANCE, Rows

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


def common_schema(schemas: Sequence[pa.Schema], table: str) -> pa.Schema:
    """One schema that the rows of all partitions fit, without the provenance, which differs between them.

    Raises:
        SchemaMismatch: there is none, for example where a column is text in one partition and a number in another.
    """
    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowTypeError as error:
        raise SchemaMismatch(f"the partitions of {table} do not fit together: {error}") from error
    shared = {key: value for key, value in (schema.metadata or {}).items() if not key.startswith(PROVENANCE.encode())}
    return schema.with_metadata(shared)


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
