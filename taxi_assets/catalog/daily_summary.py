"""The daily summary of a dataset: which columns it has, and what they mean."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.model import Column, Dataset, table_hints

_TRIPS = "Clean trips that began on that day in that zone and were paid in that way."


def daily_table(dataset: Dataset) -> str:
    """The name of the summary's table."""
    return f"{dataset.name}_daily_trips"


def daily_schema(dataset: Dataset) -> pa.Schema:
    """The summary's columns, less those that the dataset has nothing for: the keys, then the measures."""
    described = [
        (True, Column("pickup_date", pa.date32(), "Day on which the trips began, New York time.")),
        (True, columns.PICKUP_LOCATION_ID),
        (dataset.has("payment_type"), columns.PAYMENT_TYPE),
        (True, Column("trips", pa.int64(), _TRIPS)),
        (
            dataset.has("passenger_count"),
            Column("passengers", pa.int64(), "Their passengers, as drivers entered them."),
        ),
        (dataset.distance, Column("miles", pa.float64(), "Their distances added up, in miles.")),
        (dataset.charge_columns, columns.amount("revenue", "Everything that was charged for them, without cash tips")),
        (dataset.tips, columns.amount("tips", "Their tips by card or app; cash tips are not recorded")),
        (True, Column("median_duration_minutes", pa.float64(), "Half of them took no longer than that, in minutes.")),
    ]
    return pa.schema(
        [column.arrow_field for there, column in described if there],
        metadata=table_hints(f"{dataset.title} by pickup day, zone and payment type.", dataset.name),
    )
