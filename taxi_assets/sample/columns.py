"""The columns of plausible trips, under their canonical names and with canonical values.

Numbers are floats with NaN where there is no value, times are seconds with NaT, texts are objects with None. A column
that nothing is said of here has its catalogue's codes, or no values.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from taxi_assets.catalog import Column
from taxi_assets.month import Month
from taxi_assets.sample.plan import UNREPORTED_EVERY, UNREPORTED_SINCE
from taxi_assets.sample.spelling import codes_in
from taxi_assets.sample.trips import SERIALS, Trips, Values
from taxi_assets.sample.zones import AIRPORTS, LAST_ZONE

PARTS = (
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
_USUAL_CODES: Mapping[str, tuple[int | str, ...]] = {
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
_RETIRED_CODES = {"HV0002": Month(2020, 1), "HV0004": Month(2020, 1)}

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
    """Canonical name -> values, for the columns that files of the trips' era fill."""
    columns = {
        one.column: _values(trips, one.column, one.physical)
        for one in trips.dataset.era(trips.month).fields
        if one.column is not None and not pa.types.is_null(one.physical)
    }
    if trips.dataset.total is not None:
        columns["tip_amount"] *= columns["payment_type"] == _CREDIT_CARD
        charged = sum(np.nan_to_num(columns[part]) for part in PARTS if part in columns)
        columns[trips.dataset.total] = np.rint(charged * 100) / 100
    return columns


def _values(trips: Trips, name: str, physical: pa.DataType) -> Values:
    dataset, column = trips.dataset.name, trips.dataset.column(name)
    if name in _MAKERS:
        values = _MAKERS[name](trips)
    elif column.codes:
        values = _codes(trips, column, physical)
    else:
        values = np.full(len(trips.numbers), np.nan)
    if name in _PERCENT_MISSING.get(dataset, {}):
        values[trips.draw(f"{name} missing", 100) < _PERCENT_MISSING[dataset][name]] = None
    if name in _UNREPORTED.get(dataset, {}) and trips.month >= UNREPORTED_SINCE:
        values[trips.numbers % UNREPORTED_EVERY == 0] = _UNREPORTED[dataset][name]
    return values


def _codes(trips: Trips, column: Column, physical: pa.DataType) -> Values:
    """One of the usual codes for nearly every trip, any code of the catalogue for the rest."""
    known = codes_in(column, physical)
    current = [code for code in known if code not in _RETIRED_CODES or trips.month < _RETIRED_CODES[code]]
    return trips.choose(column.name, (*_USUAL_CODES.get(column.name, ()) * 100, *current))


def _levied(name: str, percent: int) -> Callable[[Trips], Values]:
    """What so many in a hundred trips pay, and the others nothing."""
    return lambda trips: _in_force(name, trips.month) * (trips.draw(name, 100) < percent)


def _airport_fee(trips: Trips) -> Values:
    return _in_force("airport_fee", trips.month) * np.isin(_zones("pickup_location_id")(trips), AIRPORTS)


def _in_force(levy: str, month: Month) -> float:
    return max((amount for since, amount in _LEVIES[levy].items() if since <= month), default=0.0)


def _percent_of_fare(name: str, *percents: float) -> Callable[[Trips], Values]:
    """One of the shares of the fare for each trip."""
    return lambda trips: np.rint(trips.cents * trips.choose(name, percents) / 100) / 100


def _one_of(name: str, *values: float) -> Callable[[Trips], Values]:
    return lambda trips: trips.choose(name, values)


def _zones(name: str) -> Callable[[Trips], Values]:
    return _one_of(name, *range(1, LAST_ZONE + 1), *AIRPORTS * 5)


def _before_pickup(name: str, shortest: int, longest: int) -> Callable[[Trips], Values]:
    """A time so many seconds before the pickup."""
    return lambda trips: trips.pickups - shortest - trips.draw(name, longest - shortest)


def _degrees(end: str, axis: str, least: int) -> Callable[[Trips], Values]:
    """Within a quarter of a degree above so many millionths, 0 where the signal was lost."""

    def degrees(trips: Trips) -> Values:
        lost = trips.draw(f"{end} signal", 50) == 0
        return np.where(lost, 0, least + trips.draw(f"{end} {axis}", 250_000)) / 1_000_000

    return degrees


_BASES = np.array([f"B{2_000 + 3 * serial:05d}" for serial in range(SERIALS)], dtype=object)
_PADDED_BASES = np.array([base.ljust(15) if base.endswith("7") else base for base in _BASES], dtype=object)

_MAKERS: Mapping[str, Callable[[Trips], Values]] = {
    "pickup_datetime": lambda trips: trips.pickups,
    "dropoff_datetime": lambda trips: trips.pickups + trips.seconds,
    "request_datetime": _before_pickup("request_datetime", 120, 900),
    "on_scene_datetime": _before_pickup("on_scene_datetime", 5, 120),
    "passenger_count": _one_of("passenger_count", 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6),
    "trip_distance": lambda trips: trips.miles,
    "trip_miles": lambda trips: trips.miles,
    "trip_time": lambda trips: trips.seconds.astype(np.float64),
    "pickup_location_id": _zones("pickup_location_id"),
    "dropoff_location_id": _zones("dropoff_location_id"),
    "pickup_longitude": _degrees("pickup", "longitude", -74_020_000),
    "pickup_latitude": _degrees("pickup", "latitude", 40_600_000),
    "dropoff_longitude": _degrees("dropoff", "longitude", -74_020_000),
    "dropoff_latitude": _degrees("dropoff", "latitude", 40_600_000),
    "fare_amount": lambda trips: trips.cents / 100,
    "base_passenger_fare": lambda trips: trips.cents / 100,
    "extra": _one_of("extra", 0.0, 0.0, 0.5, 1.0),
    "mta_tax": _levied("mta_tax", 99),
    "tip_amount": _percent_of_fare("tip_amount", 0, 10, 15, 20, 25),
    "tips": _percent_of_fare("tips", 0, 0, 0, 0, 15, 20),
    "tolls_amount": _one_of("tolls_amount", *[0.0] * 19, 6.55),
    "tolls": _one_of("tolls", *[0.0] * 19, 6.55),
    "improvement_surcharge": _levied("improvement_surcharge", 100),
    "congestion_surcharge": _levied("congestion_surcharge", 70),
    "airport_fee": _airport_fee,
    "cbd_congestion_fee": _levied("cbd_congestion_fee", 50),
    "black_car_fund": _percent_of_fare("black_car_fund", 2.5),
    "sales_tax": _percent_of_fare("sales_tax", 8.875),
    "driver_pay": _percent_of_fare("driver_pay", 76, 78, 80),
    "dispatching_base_num": lambda trips: _BASES[trips.serials],
    "originating_base_num": lambda trips: _BASES[trips.serials],
    "affiliated_base_number": lambda trips: _PADDED_BASES[trips.serials],
    "sr_flag": _one_of("sr_flag", 1),
}
