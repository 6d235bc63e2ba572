"""Months that were loaded without any row, which a small table of the dataset remembers.

A partition without rows is none, so BigQuery itself cannot tell such a month from one that was never loaded. The table
is appended to by a load job, and listed without a query, at no cost. A line is true for as long as the table that it
speaks of is the same: one that was dropped and made again was created at another time.
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
            metadata={"description": "When the table was created, which tells it from a later one of its name."},
        ),
        pa.field(
            "month",
            pa.date32(),
            nullable=False,
            metadata={"description": "First day of a month that was loaded, and had no rows."},
        ),
    ],
    metadata={"description": "Months that were loaded empty: BigQuery has no partitions without rows."},
)
_LABEL = "empty_"  # of the table itself, where earlier versions kept the months; a table has 64 labels at most


def line_of(table: Table, month: Month) -> Rows:
    """The line that says that the month of the table was loaded without any row."""
    values = {"table_name": table.table_id, "table_created": table.created, "month": month.first_day}
    return Rows.from_table(pa.Table.from_pylist([values], SCHEMA))


def months_loaded_empty(table: Table, lines: Iterable[Row]) -> set[Month]:
    """The months of the table that were loaded without any row, be it long ago."""
    labelled = {Month.parse(label.removeprefix(_LABEL)) for label in table.labels if label.startswith(_LABEL)}
    of_the_table = (
        line for line in lines if (line["table_name"], line["table_created"]) == (table.table_id, table.created)
    )
    return labelled | {Month.of(line["month"]) for line in of_the_table}
