"""Rows out of BigQuery: as a stream of record batches, one row by its key, and the months that exist."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from taxi_assets.errors import SliceMissing
from taxi_assets.stores.bigquery import empty_partitions
from taxi_assets.stores.bigquery.client import open_read_client
from taxi_assets.stores.bigquery.column_types import TYPES
from taxi_assets.stores.bigquery.connection import Dataset
from taxi_assets.stores.bigquery.tables import arrow_schema, key_of_decorator, require_names
from taxi_assets.stores.partition import Key, Partition, key_column, missing_from
from taxi_assets.stores.rows import Rows, conform

_PAGE_ROWS = 50_000


def read_rows(dataset: Dataset, table: str, column: str | None, partitions: Sequence[Partition] | None) -> Rows:
    """The rows of the table, or of these partitions of it.

    Raises:
        SliceMissing: the table, or a partition of it, does not exist.
    """
    with dataset.failures():
        found = dataset.table(table)
        missing = (
            missing_from(keys_of(dataset, found), partitions) if found is not None and partitions is not None else []
        )
    if found is None or missing:
        what = f"{table} {', '.join(missing)}".strip()
        raise SliceMissing(f"BigQuery has no {dataset}.{what}: materialize it first")
    schema = arrow_schema(found)
    query = f"SELECT * FROM {selection(dataset, found, column, partitions)}"

    def open_batches() -> Iterator[pa.RecordBatch]:
        with dataset.failures():
            answer = dataset.query(query, partitions, page_size=_PAGE_ROWS)
            for batch in answer.to_arrow_iterable(bqstorage_client=open_read_client()):
                yield conform(batch, schema)

    return Rows(schema, open_batches)


def find_row(
    dataset: Dataset,
    table: bigquery.Table,
    column: str | None,
    partitions: Sequence[Partition] | None,
    key: Mapping[str, Any],
) -> dict[str, Any] | None:
    """The first row of the partitions that has these values; None where there is none."""
    require_names(table.table_id, key)
    schema = arrow_schema(table)
    source = f"{dataset.quoted(table.table_id)}{_where(table, column, partitions) or ' WHERE TRUE'}"
    conditions = "".join(f" AND `{name}` = @key_{number}" for number, name in enumerate(key))
    bound = [
        bigquery.ScalarQueryParameter(f"key_{number}", TYPES.name_of(schema.field(name).type), value)
        for number, (name, value) in enumerate(key.items())
    ]
    found = dataset.query(f"SELECT * FROM {source}{conditions} LIMIT 1", partitions, key=bound).to_arrow_iterable()
    rows = [row for batch in found for row in conform(batch, schema).to_pylist()]
    return rows[0] if rows else None


def keys_of(dataset: Dataset, table: bigquery.Table) -> list[Key]:
    """The keys of the table's partitions that were loaded, in order, also of those without rows."""
    if table.time_partitioning is None:
        return []
    answer = dataset.query(
        f"SELECT partition_id FROM `{dataset}.INFORMATION_SCHEMA.PARTITIONS` "
        f"WHERE table_name = '{table.table_id}' AND total_rows > 0"
    )
    found = [partition for (partition,) in answer if partition is not None and partition.isdecimal()]
    recorded = dataset.table(empty_partitions.table_of(table))
    lines = () if recorded is None else dataset.client.list_rows(recorded, **dataset.trying)
    empty = empty_partitions.keys_loaded_empty(table, lines)
    return sorted({key_of_decorator(name) for name in found} | empty)


def selection(
    dataset: Dataset, table: bigquery.Table, column: str | None, partitions: Sequence[Partition] | None
) -> str:
    """The FROM expression that selects the partitions, with their parameters, or the whole table."""
    return f"{dataset.quoted(table.table_id)}{_where(table, column, partitions)}"


def _where(table: bigquery.Table, column: str | None, partitions: Sequence[Partition] | None) -> str:
    if partitions is None:
        name = table.time_partitioning.field if table.time_partitioning else ""
        return f" WHERE {name} >= '0001-01-01'" if table.require_partition_filter else ""
    if not partitions:
        return " WHERE FALSE"
    # One parameter for each: BigQuery prunes partitions by constants, and does not by an array.
    names = ", ".join(f"@key_of_partition_{number}" for number in range(len(partitions)))
    return f" WHERE {key_column(column, partitions[0])} IN ({names})"
