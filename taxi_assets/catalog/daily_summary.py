"""Schema of a dataset's daily summary table; `report.daily` computes its rows."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.model import Column, Dataset, table_hints

_TRIPS = "Number of clean trips with this pickup day, pickup zone and payment type."


def daily_table(dataset: Dataset) -> str:
    """The summary table's name, which is also the last part of its asset keys."""
    return f"{dataset.name}_daily_trips"


def daily_schema(dataset: Dataset) -> pa.Schema:
    """The summary's Arrow schema: key columns, then measures, without those that the dataset has no source column for.

    Columns and table carry their descriptions as metadata.
    """
    described = [
        (True, Column("pickup_date", pa.date32(), "Day on which the trips began, New York time.")),
        (True, columns.PICKUP_LOCATION_ID),
        (dataset.has("payment_type"), columns.PAYMENT_TYPE),
        (True, Column("trips", pa.int64(), _TRIPS)),
        (
            dataset.has("passenger_count"),
            Column("passengers", pa.int64(), "Sum of their passenger counts, as drivers entered them."),
        ),
        (dataset.distance, Column("miles", pa.float64(), "Sum of their distances, in miles.")),
        (dataset.charge_columns, columns.amount("revenue", "Sum of their charges, without cash tips")),
        (dataset.tips, columns.amount("tips", "Sum of their tips by card or app; cash tips are not recorded")),
        (True, Column("median_duration_minutes", pa.float64(), "Median of their durations, in minutes.")),
    ]
    return pa.schema(
        [column.arrow_field for exists, column in described if exists],
        metadata=table_hints(f"{dataset.title} by pickup day, zone and payment type.", dataset.name),
    )
