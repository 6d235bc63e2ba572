"""The daily summary: a month's clean trips aggregated by pickup day, pickup zone and payment type."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from taxi_assets.catalog import Dataset, daily_schema
from taxi_assets.report.trip_queries import DURATION_SECONDS, charge_sql, open_rows, report_columns
from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

_KEYS = {
    "pickup_date": "CAST(pickup_datetime AS DATE)",
    "pickup_location_id": "pickup_location_id",
    "payment_type": "payment_type",
}
_ROWS_AT_ONCE = 4_000_000  # bounds the memory of the exact median, which holds every value of a group


def daily_trips(rows: Rows, dataset: Dataset, scratch: Path) -> "pd.DataFrame":
    """The daily summary of a month's clean rows, sorted by its key columns.

    Args:
        rows: the clean rows.
        dataset: the rows' dataset.
        scratch: a folder for DuckDB's temporary files.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
        SliceDamaged: a file with the rows cannot be read.
    """
    import pandas as pd

    schema = daily_schema(dataset)
    with open_rows(rows, scratch, report_columns(dataset)) as connection:
        total = connection.sql("SELECT count(*) FROM rows").fetchall()[0][0]
        parts = 1 + total // _ROWS_AT_ONCE
        tables = [connection.sql(_query(dataset, schema, part, parts)).to_arrow_table() for part in range(parts)]
    keys = [(name, "ascending") for name in schema.names if name in _KEYS]
    # Without these, pandas converts nullable integers to float, and dates to objects.
    kept = {pa.int16(): pd.Int16Dtype(), pa.int64(): pd.Int64Dtype(), pa.date32(): pd.ArrowDtype(pa.date32())}
    return pa.concat_tables(tables).cast(schema).sort_by(keys).to_pandas(types_mapper=kept.get)


def _query(dataset: Dataset, schema: pa.Schema, part: int, parts: int) -> str:
    measures = {
        "trips": "count(*)",
        "passengers": "CAST(sum(passenger_count) AS BIGINT)",
        "miles": f"round(sum({dataset.distance}), 2)",
        "revenue": f"round(sum({charge_sql(dataset) if dataset.charge_columns else None}), 2)",
        "tips": f"round(sum({dataset.tips}), 2)",
        "median_duration_minutes": f"round(median({DURATION_SECONDS}) / 60, 2)",
    }
    columns = ", ".join(f"{({**_KEYS, **measures})[name]} AS {name}" for name in schema.names)
    # If the rule `missing_time` is off, rows without a pickup time are a group of their own.
    day = "coalesce(extract(day FROM pickup_datetime), 0)"
    return f"SELECT {columns} FROM rows WHERE {day} % {parts} = {part} GROUP BY ALL"
