"""Canonical columns of plausible trips, as numpy arrays, before defects and the era's physical types.

Numbers are floats with NaN for NULL, times are datetime64[s] with NaT, strings are objects with None. A column without
a generator here gets codes of the catalogue, or NULL where it has none.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from taxi_assets.catalog import LAST_ZONE, Column
from taxi_assets.month import Month
from taxi_assets.sample.defect_plan import UNREPORTED_EVERY, UNREPORTED_SINCE
from taxi_assets.sample.legacy_codes import writable_codes
from taxi_assets.sample.trips import SERIALS, Trips, Values
from taxi_assets.sample.zone_lookup import AIRPORTS

_Maker = Callable[[Trips, str], Values]  # the column's name seeds its random numbers

AMOUNT_COLUMNS = (
    "fare_amount",
    "extra",
    "mta_tax",
    "tip_amount",
    "tolls_amount",
    "improvement_surcharge",
    "congestion_surcharge",
    "airport_fee",
    "cbd_congestion_fee",
)

_CREDIT_CARD = 1
_FREQUENT_CODES: Mapping[str, tuple[int | str, ...]] = {
    "vendor_id": (1, 2, 2),
    "rate_code_id": (1,),
    "payment_type": (1, 1, 2),
    "trip_type": (1,),
    "hvfhs_license_num": ("HV0003", "HV0003", "HV0005"),
    "store_and_fwd_flag": ("N",),
    "shared_request_flag": ("N",),
    "shared_match_flag": ("N",),
    "access_a_ride_flag": (" ", " ", "N"),
    "wav_request_flag": ("N",),
    "wav_match_flag": ("N",),
}
_RETIRED_CODES = {"HV0002": Month(2020, 1), "HV0004": Month(2020, 1)}  # code -> first month without it

# Column -> month from which the rate holds -> US dollars.
_LEVIES = {
    "mta_tax": {Month(2009, 11): 0.50},
    "improvement_surcharge": {Month(2015, 1): 0.30, Month(2023, 1): 1.00},
    "congestion_surcharge": {Month(2019, 2): 2.50},
    "airport_fee": {Month(2020, 11): 1.25, Month(2023, 1): 1.75},
    "cbd_congestion_fee": {Month(2025, 1): 0.75},
}

_PERCENT_MISSING = {
    "fhv": {
        "dropoff_datetime": 3,
        "pickup_location_id": 30,
        "dropoff_location_id": 10,
        "sr_flag": 95,
        "affiliated_base_number": 10,
    },
    "fhvhv": {"originating_base_num": 28, "on_scene_datetime": 25},
}
# Values of the columns that some companies' records leave out together.
_UNREPORTED: Mapping[str, Mapping[str, int | None]] = {
    "yellow": {
        "passenger_count": None,
        "rate_code_id": None,
        "store_and_fwd_flag": None,
        "payment_type": 0,
        "congestion_surcharge": None,
        "airport_fee": None,
    },
    "green": {
        "passenger_count": None,
        "rate_code_id": None,
        "store_and_fwd_flag": None,
        "payment_type": None,
        "trip_type": None,
        "congestion_surcharge": None,
    },
}


def plausible_columns(trips: Trips) -> dict[str, Values]:
    """Canonical name -> values, for the columns that the era's files have and that are not of type null."""
    columns = {
        one.column: _values(trips, one.column, one.physical)
        for one in trips.dataset.era(trips.month).fields
        if one.column is not None and not pa.types.is_null(one.physical)
    }
    if trips.dataset.total is not None:
        columns["tip_amount"] *= columns["payment_type"] == _CREDIT_CARD
        charged = sum(np.nan_to_num(columns[part]) for part in AMOUNT_COLUMNS if part in columns)
        columns[trips.dataset.total] = np.rint(charged * 100) / 100
    return columns


def _values(trips: Trips, name: str, physical: pa.DataType) -> Values:
    dataset, column = trips.dataset.name, trips.dataset.column(name)
    if name in _MAKERS:
        values = _MAKERS[name](trips, name)
    elif column.codes:
        values = _codes(trips, column, physical)
    else:
        values = np.full(len(trips.numbers), None)
    if name in _PERCENT_MISSING.get(dataset, {}):
        values[trips.draw(f"{name} missing", 100) < _PERCENT_MISSING[dataset][name]] = None
    if name in _UNREPORTED.get(dataset, {}) and trips.month >= UNREPORTED_SINCE:
        values[trips.numbers % UNREPORTED_EVERY == 0] = _UNREPORTED[dataset][name]
    return values


def _codes(trips: Trips, column: Column, physical: pa.DataType) -> Values:
    """A frequent code for nearly every trip, any code of the catalogue for the others."""
    known = writable_codes(column, physical)
    current = [code for code in known if code not in _RETIRED_CODES or trips.month < _RETIRED_CODES[code]]
    return trips.choose(column.name, (*_FREQUENT_CODES.get(column.name, ()) * 100, *current))


def _one_of(*choices: float) -> _Maker:
    return lambda trips, name: trips.choose(name, choices)


def _percent_of_fare(*percents: float) -> _Maker:
    """A percentage of the fare, chosen per trip, in dollars rounded to cents."""
    return lambda trips, name: np.rint(trips.cents * trips.choose(name, percents) / 100) / 100


def _levied(percent: int) -> _Maker:
    """The levy in force for that percentage of the trips, 0 for the others."""
    return lambda trips, name: _in_force(name, trips.month) * (trips.draw(name, 100) < percent)


def _airport_fee(trips: Trips, name: str) -> Values:
    pickups = _zones(trips, "pickup_location_id")
    return _in_force(name, trips.month) * np.isin(pickups, AIRPORTS)


def _in_force(levy: str, month: Month) -> float:
    return max((amount for since, amount in _LEVIES[levy].items() if since <= month), default=0.0)


def _before_pickup(least: int, most: int) -> _Maker:
    """A time from `least` to `most` seconds before the pickup."""
    return lambda trips, name: trips.pickups - least - trips.draw(name, most - least)


def _degrees(least: int) -> _Maker:
    """Up to 0.25 degrees above `least` millionths; 0 for both coordinates of an end without GPS signal (1 in 50)."""

    def degrees(trips: Trips, name: str) -> Values:
        end, _, _ = name.partition("_")
        lost = trips.draw(f"{end} signal", 50) == 0
        return np.where(lost, 0, least + trips.draw(name, 250_000)) / 1_000_000

    return degrees


_zones = _one_of(*range(1, LAST_ZONE + 1), *AIRPORTS * 5)
_BASES = np.array([f"B{2_000 + 3 * serial:05d}" for serial in range(SERIALS)], dtype=object)
_PADDED_BASES = np.array([base.ljust(15) if base.endswith("7") else base for base in _BASES], dtype=object)

_MAKERS: Mapping[str, _Maker] = {
    "pickup_datetime": lambda trips, _: trips.pickups,
    "dropoff_datetime": lambda trips, _: trips.pickups + trips.seconds,
    "request_datetime": _before_pickup(120, 900),
    "on_scene_datetime": _before_pickup(5, 120),
    "passenger_count": _one_of(1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6),
    "trip_distance": lambda trips, _: trips.miles,
    "trip_miles": lambda trips, _: trips.miles,
    "trip_time": lambda trips, _: trips.seconds.astype(np.float64),
    "pickup_location_id": _zones,
    "dropoff_location_id": _zones,
    "pickup_longitude": _degrees(-74_020_000),
    "pickup_latitude": _degrees(40_600_000),
    "dropoff_longitude": _degrees(-74_020_000),
    "dropoff_latitude": _degrees(40_600_000),
    "fare_amount": lambda trips, _: trips.cents / 100,
    "base_passenger_fare": lambda trips, _: trips.cents / 100,
    "extra": _one_of(0.0, 0.0, 0.5, 1.0),
    "mta_tax": _levied(99),
    "tip_amount": _percent_of_fare(0, 10, 15, 20, 25),
    "tips": _percent_of_fare(0, 0, 0, 0, 15, 20),
    "tolls_amount": _one_of(*[0.0] * 19, 6.55),
    "tolls": _one_of(*[0.0] * 19, 6.55),
    "improvement_surcharge": _levied(100),
    "congestion_surcharge": _levied(70),
    "airport_fee": _airport_fee,
    "cbd_congestion_fee": _levied(50),
    "black_car_fund": _percent_of_fare(2.5),
    "sales_tax": _percent_of_fare(8.875),
    "driver_pay": _percent_of_fare(76, 78, 80),
    "dispatching_base_num": lambda trips, _: _BASES[trips.serials],
    "originating_base_num": lambda trips, _: _BASES[trips.serials],
    "affiliated_base_number": lambda trips, _: _PADDED_BASES[trips.serials],
    "sr_flag": _one_of(1),
}
