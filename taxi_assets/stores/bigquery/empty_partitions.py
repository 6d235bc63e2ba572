"""Partitions that were loaded without rows, recorded in small tables of the dataset: one for months, one for others.

BigQuery has no partition without rows, so that it cannot distinguish such a one from one that was never loaded. A
load job appends to the table, and it is listed without a query, at no cost. A line is valid for one table: a table that
was dropped and created again has another creation time.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Any

import pyarrow as pa
from google.cloud.bigquery import Row, Table

from taxi_assets.month import Month
from taxi_assets.stores.partition import Key, Partition
from taxi_assets.stores.rows import Rows

_TABLE_OF = [
    pa.field("table_name", pa.string(), nullable=False, metadata={"description": "Partitioned table."}),
    pa.field(
        "table_created",
        pa.timestamp("us", "UTC"),
        nullable=False,
        metadata={"description": "When the table was created; a later table of the same name has another time."},
    ),
]
_MONTH = pa.field(
    "month",
    pa.date32(),
    nullable=False,
    metadata={"description": "First day of a month that was loaded and had no rows."},
)
_KEY = pa.field(
    "key",
    pa.timestamp("us", "UTC"),
    nullable=False,
    metadata={"description": "Start of a window that was loaded and had no rows."},
)
_MONTHS = pa.schema(
    [*_TABLE_OF, _MONTH],
    metadata={"description": "Months that were loaded empty: BigQuery has no partitions without rows."},
)
_WINDOWS = pa.schema(
    [*_TABLE_OF, _KEY],
    metadata={"description": "Windows that were loaded empty: BigQuery has no partitions without rows."},
)
_LABEL = "empty_"  # of the table itself, where earlier versions recorded the months; a table has at most 64 labels


def table_of(table: Table) -> str:
    """The name of the table that records empty partitions of this one."""
    return "loaded_empty_months" if _has_months(table) else "loaded_empty_windows"


def line_of(table: Table, partition: Partition) -> Rows:
    """The line that records that the partition of the table was loaded without rows."""
    values: dict[str, Any] = {"table_name": table.table_id, "table_created": table.created}
    if _has_months(table):
        return Rows.from_table(pa.Table.from_pylist([{**values, "month": partition.key}], _MONTHS))
    key = partition.key
    start = key if isinstance(key, datetime | str) else datetime.combine(key, time(), UTC)
    return Rows.from_table(pa.Table.from_pylist([{**values, "key": start}], _WINDOWS))


def keys_loaded_empty(table: Table, lines: Iterable[Row]) -> set[Key]:
    """The keys of partitions of the table that were loaded without rows; some may have rows by now."""
    own = [line for line in lines if (line["table_name"], line["table_created"]) == (table.table_id, table.created)]
    if _has_months(table):
        labels = (label for label in table.labels if label.startswith(_LABEL))
        labelled = {Month.parse(label.removeprefix(_LABEL)).first_day for label in labels}
        return labelled | {line["month"] for line in own}
    is_time = table.time_partitioning.type_ == "HOUR"
    return {line["key"] if is_time else line["key"].date() for line in own}


def _has_months(table: Table) -> bool:
    return bool(table.time_partitioning.type_ == "MONTH")
