"""Rows out of BigQuery: as a stream of record batches, one row by its key, and the months that exist."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from taxi_assets.errors import SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores.bigquery import empty_months
from taxi_assets.stores.bigquery.client import open_read_client
from taxi_assets.stores.bigquery.connection import Dataset
from taxi_assets.stores.bigquery.tables import TYPE_NAMES, arrow_schema, require_names
from taxi_assets.stores.rows import Rows, conform

_PAGE_ROWS = 50_000


def read_rows(dataset: Dataset, table: str, month_column: str, months: Sequence[Month] | None) -> Rows:
    """The rows of the table, or of these months of it.

    Raises:
        SliceMissing: the table, or a month of it, does not exist.
    """
    with dataset.failures():
        found = dataset.table(table)
        missing = sorted(set(months or ()) - set(months_of(dataset, found))) if found is not None else []
    if found is None or missing:
        what = f"{table} {', '.join(str(month) for month in missing)}".strip()
        raise SliceMissing(f"BigQuery has no {dataset}.{what}: materialize it first")
    schema = arrow_schema(found)
    query = f"SELECT * FROM {selection(dataset, found, month_column, months)}"

    def open_batches() -> Iterator[pa.RecordBatch]:
        with dataset.failures():
            answer = dataset.query(query, months, page_size=_PAGE_ROWS)
            for batch in answer.to_arrow_iterable(bqstorage_client=open_read_client()):
                yield conform(batch, schema)

    return Rows(schema, open_batches)


def find_row(
    dataset: Dataset, table: bigquery.Table, month_column: str, months: Sequence[Month] | None, key: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The first row of the months that has these values; None where there is none."""
    require_names(table.table_id, key)
    schema = arrow_schema(table)
    source = f"{dataset.quoted(table.table_id)}{_where(table, month_column, months) or ' WHERE TRUE'}"
    conditions = "".join(f" AND `{name}` = @key_{number}" for number, name in enumerate(key))
    bound = [
        bigquery.ScalarQueryParameter(f"key_{number}", TYPE_NAMES[schema.field(name).type], value)
        for number, (name, value) in enumerate(key.items())
    ]
    found = dataset.query(f"SELECT * FROM {source}{conditions} LIMIT 1", months, key=bound).to_arrow_iterable()
    rows = [row for batch in found for row in conform(batch, schema).to_pylist()]
    return rows[0] if rows else None


def months_of(dataset: Dataset, table: bigquery.Table) -> list[Month]:
    """The months of the table that were loaded, oldest first, also those without rows."""
    answer = dataset.query(
        f"SELECT partition_id FROM `{dataset}.INFORMATION_SCHEMA.PARTITIONS` "
        f"WHERE table_name = '{table.table_id}' AND total_rows > 0"
    )
    found = [partition for (partition,) in answer if partition is not None and partition.isdecimal()]
    recorded = dataset.table(empty_months.TABLE)
    lines = () if recorded is None else dataset.client.list_rows(recorded, **dataset.trying)
    empty = empty_months.months_loaded_empty(table, lines)
    return sorted({Month(int(name[:4]), int(name[4:])) for name in found} | empty)


def selection(dataset: Dataset, table: bigquery.Table, month_column: str, months: Sequence[Month] | None) -> str:
    """The FROM expression that selects the months, with their parameters, or the whole table."""
    return f"{dataset.quoted(table.table_id)}{_where(table, month_column, months)}"


def _where(table: bigquery.Table, month_column: str, months: Sequence[Month] | None) -> str:
    if months is None:
        return f" WHERE {month_column} >= '0001-01-01'" if table.require_partition_filter else ""
    # One parameter for each: BigQuery prunes partitions by constants, and does not by an array.
    names = ", ".join(f"@month_{number}" for number in range(len(months)))
    return f" WHERE {month_column} IN ({names})"
