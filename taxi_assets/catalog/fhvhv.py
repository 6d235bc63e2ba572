"""Dataset fhvhv, 2019-02 to now: trips of the apps with more than 10,000 trips a day (Uber, Lyft, Via, Juno)."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.columns import WALL_TIME
from taxi_assets.catalog.model import Column, Dataset, Era, Field
from taxi_assets.month import Month

_STRING, _LARGE_STRING, _DOUBLE = pa.string(), pa.large_string(), pa.float64()
_INT64, _INT32, _NULL = pa.int64(), pa.int32(), pa.null()

_2019_02 = Era(
    Month(2019, 2),
    (
        Field("hvfhs_license_num", _STRING, "hvfhs_license_num"),
        Field("dispatching_base_num", _STRING, "dispatching_base_num"),
        Field("originating_base_num", _STRING, "originating_base_num"),
        Field("request_datetime", WALL_TIME, "request_datetime"),
        Field("on_scene_datetime", WALL_TIME, "on_scene_datetime"),
        Field("pickup_datetime", WALL_TIME, "pickup_datetime"),
        Field("dropoff_datetime", WALL_TIME, "dropoff_datetime"),
        Field("PULocationID", _INT64, "pickup_location_id"),
        Field("DOLocationID", _INT64, "dropoff_location_id"),
        Field("trip_miles", _DOUBLE, "trip_miles"),
        Field("trip_time", _INT64, "trip_time"),
        Field("base_passenger_fare", _DOUBLE, "base_passenger_fare"),
        Field("tolls", _DOUBLE, "tolls"),
        Field("bcf", _DOUBLE, "black_car_fund"),
        Field("sales_tax", _DOUBLE, "sales_tax"),
        Field("congestion_surcharge", _DOUBLE, "congestion_surcharge"),
        Field("airport_fee", _NULL, "airport_fee"),
        Field("tips", _DOUBLE, "tips"),
        Field("driver_pay", _DOUBLE, "driver_pay"),
        Field("shared_request_flag", _STRING, "shared_request_flag"),
        Field("shared_match_flag", _STRING, "shared_match_flag"),
        Field("access_a_ride_flag", _STRING, "access_a_ride_flag"),
        Field("wav_request_flag", _STRING, "wav_request_flag"),
        Field("wav_match_flag", _NULL, "wav_match_flag"),
    ),
)
_2019_04 = _2019_02.then("2019-04", types={"wav_match_flag": _STRING})
_2019_07 = _2019_04.then("2019-07", types={"airport_fee": _DOUBLE})
_2020_04 = _2019_07.then("2020-04", types={"airport_fee": _NULL})
_2020_05 = _2020_04.then("2020-05", types={"airport_fee": _DOUBLE})
_2020_10 = _2020_05.then("2020-10", types={"airport_fee": _NULL})
_2020_11 = _2020_10.then("2020-11", types={"airport_fee": _DOUBLE})
_2023_02 = _2020_11.then(
    "2023-02",
    types={
        "PULocationID": _INT32,
        "DOLocationID": _INT32,
        **{field.source: _LARGE_STRING for field in _2020_11.fields if field.physical == _STRING},
    },
)
_2025 = _2023_02.then("2025-01", added=[Field("cbd_congestion_fee", _DOUBLE, "cbd_congestion_fee")])

FHVHV = Dataset(
    name="fhvhv",
    title="High-volume for-hire trips",
    description="Trips of the high-volume for-hire services: Uber, Lyft, and formerly Via and Juno.",
    columns=(
        Column(
            "hvfhs_license_num",
            pa.string(),
            "TLC licence number of the service.",
            required=True,
            codes={"HV0002": "Juno", "HV0003": "Uber", "HV0004": "Via", "HV0005": "Lyft"},
        ),
        columns.DISPATCHING_BASE_NUM,
        Column("originating_base_num", pa.string(), "TLC licence number of the base that took the request."),
        columns.wall_time("request_datetime", "When the passenger asked for the car", required=False),
        columns.wall_time(
            "on_scene_datetime", "When the car reached the passenger (accessible vehicles)", required=False
        ),
        columns.PICKUP_DATETIME,
        columns.DROPOFF_DATETIME,
        columns.PICKUP_LOCATION_ID,
        columns.DROPOFF_LOCATION_ID,
        Column("trip_miles", pa.float64(), "Distance of the trip, in miles.", required=True),
        Column("trip_time", pa.int32(), "Duration of the trip, in seconds.", required=True),
        columns.amount("base_passenger_fare", "Fare before tolls, tips, taxes and fees", required=True),
        columns.amount("tolls", "Tolls paid"),
        columns.amount("black_car_fund", "Contribution to the Black Car Fund"),
        columns.amount("sales_tax", "New York State sales tax"),
        columns.CONGESTION_SURCHARGE,
        columns.amount("airport_fee", "Fee for pickups and drop-offs at LaGuardia, Newark and JFK airports"),
        columns.amount("tips", "Tips paid through the app"),
        columns.amount("driver_pay", "Paid to the driver, without tolls and tips", required=True),
        columns.CBD_CONGESTION_FEE,
        columns.flag("shared_request_flag", "Whether the passenger agreed to share the car."),
        columns.flag("shared_match_flag", "Whether the passenger did share the car."),
        columns.flag("access_a_ride_flag", "Whether the trip was run for the MTA's Access-A-Ride."),
        columns.flag("wav_request_flag", "Whether a wheelchair-accessible vehicle was asked for."),
        columns.flag("wav_match_flag", "Whether the vehicle was wheelchair-accessible."),
    ),
    eras=(_2019_02, _2019_04, _2019_07, _2020_04, _2020_05, _2020_10, _2020_11, _2023_02, _2025),
    distance="trip_miles",
    total_parts=(
        "base_passenger_fare",
        "tolls",
        "black_car_fund",
        "sales_tax",
        "congestion_surcharge",
        "airport_fee",
        "cbd_congestion_fee",
        "tips",
    ),
    tips="tips",
)
