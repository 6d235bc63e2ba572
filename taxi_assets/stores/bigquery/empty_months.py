"""Months that were loaded without rows, recorded in a small table of the dataset.

BigQuery has no partition without rows, so that it cannot distinguish such a month from one that was never loaded. A
load job appends to the table, and it is listed without a query, at no cost. A line is valid for one table: a table that
was dropped and created again has another creation time.
"""

from collections.abc import Iterable

import pyarrow as pa
from google.cloud.bigquery import Row, Table

from taxi_assets.month import Month
from taxi_assets.stores.rows import Rows

TABLE = "loaded_empty_months"
SCHEMA = pa.schema(
    [
        pa.field("table_name", pa.string(), nullable=False, metadata={"description": "Table with months."}),
        pa.field(
            "table_created",
            pa.timestamp("us", "UTC"),
            nullable=False,
            metadata={"description": "When the table was created; a later table of the same name has another time."},
        ),
        pa.field(
            "month",
            pa.date32(),
            nullable=False,
            metadata={"description": "First day of a month that was loaded and had no rows."},
        ),
    ],
    metadata={"description": "Months that were loaded empty: BigQuery has no partitions without rows."},
)
_LABEL = "empty_"  # of the table itself, where earlier versions recorded the months; a table has at most 64 labels


def line_of(table: Table, month: Month) -> Rows:
    """The line that records that the month of the table was loaded without rows."""
    values = {"table_name": table.table_id, "table_created": table.created, "month": month.first_day}
    return Rows.from_table(pa.Table.from_pylist([values], SCHEMA))


def months_loaded_empty(table: Table, lines: Iterable[Row]) -> set[Month]:
    """The months of the table that were loaded without rows; some may have rows by now."""
    labelled = {Month.parse(label.removeprefix(_LABEL)) for label in table.labels if label.startswith(_LABEL)}
    own_lines = (
        line for line in lines if (line["table_name"], line["table_created"]) == (table.table_id, table.created)
    )
    return labelled | {Month.of(line["month"]) for line in own_lines}
