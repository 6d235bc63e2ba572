"""Months small enough to read: trips by canonical names, written as the Parquet file TLC would publish, and cleaned."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_assets.catalog import DEFAULT_RULES, Dataset, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of

RulesBroken = Callable[..., list[list[str]]]  # by trips, for each of them

JANUARY = Month(2022, 1)
PICKUP = datetime(2022, 1, 15, 12)
DROPOFF = PICKUP + timedelta(minutes=20)


@dataclass(frozen=True)
class Trip:
    """One row of a dataset, by canonical names; any other name is a column that the catalogue does not know."""

    dataset: Dataset
    values: Mapping[str, Any]

    def but(self, **changes: Any) -> "Trip":
        """The same trip with other values."""
        return replace(self, values={**self.values, **changes})

    def each(self, **choices: Iterable[Any]) -> "list[Trip]":
        """The same trip with one value in the column's place, then with the next."""
        return [self.but(**{name: value}) for name, values in choices.items() for value in values]


GREEN_TRIP = Trip(
    dataset_named("green"),
    {
        "vendor_id": 2,
        "pickup_datetime": PICKUP,
        "dropoff_datetime": DROPOFF,
        "store_and_fwd_flag": "N",
        "rate_code_id": 1,
        "pickup_location_id": 74,
        "dropoff_location_id": 166,
        "passenger_count": 1,
        "trip_distance": 2.5,
        "fare_amount": 11.0,
        "total_amount": 12.3,
        "payment_type": 2,
        "trip_type": 1,
    },
)
YELLOW_TRIP = replace(GREEN_TRIP, dataset=dataset_named("yellow")).but(airport_fee=0.0)
FHV_TRIP = Trip(
    dataset_named("fhv"),
    {
        "dispatching_base_num": "B00009",
        "pickup_datetime": PICKUP,
        "dropoff_datetime": DROPOFF,
        "pickup_location_id": None,
        "dropoff_location_id": 265,
    },
)
FHVHV_TRIP = Trip(
    dataset_named("fhvhv"),
    {
        "hvfhs_license_num": "HV0003",
        "dispatching_base_num": "B03404",
        "pickup_datetime": PICKUP,
        "dropoff_datetime": DROPOFF,
        "pickup_location_id": 74,
        "dropoff_location_id": 166,
        "trip_miles": 2.5,
        "trip_time": 1200,
        "base_passenger_fare": 11.0,
        "driver_pay": 9.0,
    },
)


@dataclass(frozen=True)
class Outcome:
    """What cleaning made of a month, read to its end."""

    clean: pa.Table
    quarantine: pa.Table
    source_rows: int
    rejected: Mapping[str, int]
    unknown_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]


def month_of(*trips: Trip, types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
    """The trips as TLC would publish them; `types` gives columns, by canonical name, another type."""
    fields = {one.column: (one.source, one.physical) for one in trips[0].dataset.era(JANUARY).fields}
    unknown = [name for name in trips[0].values if name not in fields]
    columns = {
        source: pa.array([trip.values.get(name) for trip in trips], (types or {}).get(name, physical))
        for name, (source, physical) in fields.items()
    }
    return pa.table(columns | {name: [trip.values[name] for trip in trips] for name in unknown})


def written(table: pa.Table, folder: Path, dataset: Dataset, month: Month = JANUARY, **options: Any) -> Path:
    """The table as that month's file."""
    path = folder / dataset.file_name(month)
    pq.write_table(table, path, **options)
    return path


def raw_file(path: Path) -> RawFile:
    """The file as a source would hand it over."""
    return RawFile(path, path.as_uri(), path.stat().st_size, sha256_of(path), None)


def outcome_of(path: Path, dataset: Dataset, month: Month = JANUARY, rules: Iterable[str] = DEFAULT_RULES) -> Outcome:
    """The month's file, cleaned."""
    with cleaned_month(raw_file(path), dataset, month, rules, path.parent / "scratch") as cleaned:
        return Outcome(
            cleaned.clean.to_table(),
            cleaned.quarantine.to_table(),
            cleaned.source_rows,
            cleaned.rejected,
            cleaned.unknown_columns,
            cleaned.missing_columns,
        )


def outcome_of_table(table: pa.Table, folder: Path, dataset: Dataset, month: Month = JANUARY) -> Outcome:
    """The table, written as that month's file and cleaned by the default rules."""
    return outcome_of(written(table, folder, dataset, month), dataset, month)
