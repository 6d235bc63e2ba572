import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import Dataset, dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month

from .reading import ERAS, Reading

ROWS = 2_000
PARTS = (
    *("fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge"),
    *("congestion_surcharge", "airport_fee", "cbd_congestion_fee", "ehail_fee"),
)
UNREPORTED = ("passenger_count", "rate_code_id", "store_and_fwd_flag", "congestion_surcharge")


def sample(folder: Path, dataset: str, month: str, rows: int = ROWS) -> Reading:
    return Reading.of_sample(dataset_named(dataset), Month.parse(month), rows, folder)


def as_written(folder: Path, dataset: str, month: str, *columns: str) -> list[Counter[object]]:
    """How often each value is in each of the file's columns."""
    path = folder / "month.parquet"
    write_month(dataset_named(dataset), Month.parse(month), path, rows=ROWS)
    return [Counter(column.to_pylist()) for column in pq.read_table(path, columns=list(columns)).columns]


@pytest.mark.parametrize(
    ("dataset", "month"), [(dataset, month) for dataset, month in ERAS if dataset.total is not None]
)
def test_the_parts_of_every_clean_trip_sum_to_its_total(dataset: Dataset, month: Month, tmp_path: Path) -> None:
    for row in Reading.of_sample(dataset, month, 300, tmp_path).clean:
        assert round(sum(row.get(part) or 0 for part in PARTS), 2) == row["total_amount"] > 0


def test_fewer_trips_begin_at_night(tmp_path: Path) -> None:
    hours = Counter(row["pickup_datetime"].hour for row in sample(tmp_path, "yellow", "2024-01").clean)
    assert set(hours) == set(range(24))
    assert sum(hours[hour] for hour in range(1, 6)) * 4 < sum(hours[hour] for hour in range(17, 22))


def test_pickups_are_in_order_but_for_an_hour_or_so(tmp_path: Path) -> None:
    pickups = [row["pickup_datetime"] for row in sample(tmp_path, "yellow", "2024-01").clean]
    assert pickups != sorted(pickups)
    latest = pickups[0]
    for pickup in pickups:
        assert pickup > latest - timedelta(days=1)
        latest = max(latest, pickup)


def test_a_few_clean_trips_begin_on_the_days_before_and_after_the_month(tmp_path: Path) -> None:
    days = Counter(row["pickup_datetime"].date() for row in sample(tmp_path, "green", "2023-02", 5_000).clean)
    assert min(days).isoformat() == "2023-01-31"
    assert max(days).isoformat() == "2023-03-01"
    assert days[min(days)] + days[max(days)] < 20
    assert len(days) == 30


def test_fares_and_durations_grow_with_the_distance(tmp_path: Path) -> None:
    trips = sorted(sample(tmp_path, "yellow", "2024-01").clean, key=lambda row: row["trip_distance"])
    short, long = trips[: ROWS // 4], trips[-ROWS // 4 :]
    assert median(row["fare_amount"] for row in short) * 2 < median(row["fare_amount"] for row in long)
    minutes = [(row["dropoff_datetime"] - row["pickup_datetime"]) / timedelta(minutes=1) for row in trips]
    assert 8 < median(minutes) < 15
    assert max(minutes) > 45


def test_tips_are_recorded_for_cards_only(tmp_path: Path) -> None:
    trips = sample(tmp_path, "green", "2024-01").clean
    assert {row["payment_type"] for row in trips if row["tip_amount"]} == {1}


@pytest.mark.parametrize(
    ("dataset", "month", "columns"),
    [
        ("yellow", "2019-01", UNREPORTED),
        ("yellow", "2024-01", (*UNREPORTED, "airport_fee")),
        ("green", "2024-01", (*UNREPORTED, "payment_type", "trip_type")),
    ],
)
def test_columns_of_unreported_trips_are_null_together(
    dataset: str, month: str, columns: tuple[str, ...], tmp_path: Path
) -> None:
    nulls = Counter(tuple(row[name] is None for name in columns) for row in sample(tmp_path, dataset, month).clean)
    assert nulls.keys() == {(False,) * len(columns), (True,) * len(columns)}
    assert nulls[(True,) * len(columns)] == ROWS // 20


@pytest.mark.parametrize(("dataset", "month"), [("yellow", "2018-12"), ("green", "2018-12")])
def test_every_trip_is_fully_reported_before_2019(dataset: str, month: str, tmp_path: Path) -> None:
    assert all(row["passenger_count"] is not None for row in sample(tmp_path, dataset, month).clean)


def test_codes_are_those_of_the_catalogue_and_mostly_the_usual_ones(tmp_path: Path) -> None:
    green = dataset_named("green")
    trips = sample(tmp_path, "green", "2018-12", 6_000).clean
    for name in ("vendor_id", "rate_code_id", "payment_type", "trip_type", "store_and_fwd_flag"):
        assert {row[name] for row in trips} == set(green.column(name).codes)
    assert sum(row["rate_code_id"] == 1 for row in trips) > 0.9 * len(trips)


def test_2009_has_its_own_texts_flags_and_times(tmp_path: Path) -> None:
    vendors, payments, flags, pickups = as_written(
        tmp_path, "yellow", "2009-01", "vendor_name", "Payment_Type", "store_and_forward", "Trip_Pickup_DateTime"
    )
    assert set(vendors) <= {"CMT", "VTS", "DDS", "illegible"}
    assert {"Cash", "CASH", "Credit", "CREDIT", "CRE"} <= set(payments)
    assert set(flags) == {0.0, 1.0}
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", str(pickup)) for pickup in pickups if pickup)


def test_2010_has_positions_around_new_york_or_none(tmp_path: Path) -> None:
    trips = sample(tmp_path, "yellow", "2010-02").clean
    lost = [row for row in trips if row["pickup_longitude"] == 0]
    assert 0 < len(lost) < 0.05 * len(trips)
    assert all(row["pickup_latitude"] == 0 for row in lost)
    for row in trips:
        assert row["dropoff_longitude"] == 0 or -74.1 < row["dropoff_longitude"] < -73.7
        assert row["dropoff_latitude"] == 0 or 40.5 < row["dropoff_latitude"] < 40.9


def test_fhv_trips_may_lack_their_ends_and_are_clean(tmp_path: Path) -> None:
    trips = sample(tmp_path, "fhv", "2020-07").clean
    for name in ("dropoff_datetime", "pickup_location_id", "dropoff_location_id", "affiliated_base_number"):
        assert 0 < sum(row[name] is None for row in trips) < 0.5 * len(trips)
    assert {row["sr_flag"] for row in sample(tmp_path, "fhv", "2015-01").clean} == {None, 1}


def test_juno_and_via_are_gone_from_2020_on(tmp_path: Path) -> None:
    (before,) = as_written(tmp_path, "fhvhv", "2019-12", "hvfhs_license_num")
    (after,) = as_written(tmp_path, "fhvhv", "2020-01", "hvfhs_license_num")
    assert set(before) == {"HV0002", "HV0003", "HV0004", "HV0005"}
    assert set(after) == {"HV0003", "HV0005"}


def test_fhvhv_flags_may_be_blank(tmp_path: Path) -> None:
    access, shared = as_written(tmp_path, "fhvhv", "2024-01", "access_a_ride_flag", "shared_request_flag")
    assert set(access) == {"Y", "N", " "}
    assert set(shared) == {"Y", "N"}


def test_fhvhv_trips_are_asked_for_before_they_begin(tmp_path: Path) -> None:
    for row in sample(tmp_path, "fhvhv", "2024-01").clean:
        assert row["request_datetime"] < (row["on_scene_datetime"] or row["pickup_datetime"]) <= row["pickup_datetime"]
        assert row["dropoff_datetime"] - row["pickup_datetime"] == timedelta(seconds=row["trip_time"])


def test_levies_begin_when_they_were_introduced(tmp_path: Path) -> None:
    for month, levies in {"2018-12": {0.3}, "2024-01": {1.0}}.items():
        assert {row["improvement_surcharge"] for row in sample(tmp_path, "yellow", month).clean} == levies
    fees = {row["cbd_congestion_fee"] for row in sample(tmp_path, "yellow", "2025-01").clean}
    assert fees == {0.0, 0.75}
