"""Dataset green, 2014 to now: street-hail liveries of the outer boroughs and northern Manhattan."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.columns import WALL_TIME
from taxi_assets.catalog.model import Dataset, Era, Field
from taxi_assets.month import Month

_STRING, _LARGE_STRING, _DOUBLE = pa.string(), pa.large_string(), pa.float64()
_INT64, _INT32, _NULL = pa.int64(), pa.int32(), pa.null()

_2014 = Era(
    Month(2014, 1),
    (
        Field("VendorID", _INT64, "vendor_id"),
        Field("lpep_pickup_datetime", WALL_TIME, "pickup_datetime"),
        Field("lpep_dropoff_datetime", WALL_TIME, "dropoff_datetime"),
        Field("store_and_fwd_flag", _STRING, "store_and_fwd_flag"),
        Field("RatecodeID", _INT64, "rate_code_id"),
        Field("PULocationID", _INT64, "pickup_location_id"),
        Field("DOLocationID", _INT64, "dropoff_location_id"),
        Field("passenger_count", _INT64, "passenger_count"),
        Field("trip_distance", _DOUBLE, "trip_distance"),
        Field("fare_amount", _DOUBLE, "fare_amount"),
        Field("extra", _DOUBLE, "extra"),
        Field("mta_tax", _DOUBLE, "mta_tax"),
        Field("tip_amount", _DOUBLE, "tip_amount"),
        Field("tolls_amount", _DOUBLE, "tolls_amount"),
        Field("ehail_fee", _DOUBLE, "ehail_fee"),
        Field("improvement_surcharge", _NULL, "improvement_surcharge"),
        Field("total_amount", _DOUBLE, "total_amount"),
        Field("payment_type", _INT64, "payment_type"),
        Field("trip_type", _DOUBLE, "trip_type"),
        Field("congestion_surcharge", _NULL, "congestion_surcharge"),
    ),
)
_2015 = _2014.then("2015-01", types={"improvement_surcharge": _DOUBLE})
_2019 = _2015.then(
    "2019-01",
    types={
        "RatecodeID": _DOUBLE,
        "passenger_count": _DOUBLE,
        "payment_type": _DOUBLE,
        "congestion_surcharge": _DOUBLE,
    },
)
_2019_09 = _2019.then("2019-09", types={"ehail_fee": _NULL})
_2023_02 = _2019_09.then(
    "2023-02",
    types={
        "VendorID": _INT32,
        "PULocationID": _INT32,
        "DOLocationID": _INT32,
        "RatecodeID": _INT64,
        "passenger_count": _INT64,
        "payment_type": _INT64,
        "trip_type": _INT64,
        "ehail_fee": _DOUBLE,
        "store_and_fwd_flag": _LARGE_STRING,
    },
)
_2025 = _2023_02.then("2025-01", added=[Field("cbd_congestion_fee", _DOUBLE, "cbd_congestion_fee")])

GREEN = Dataset(
    name="green",
    title="Green taxi trips",
    description="Trips of green taxis, which may be hailed outside Manhattan's core and the airports.",
    columns=(
        columns.VENDOR_ID,
        columns.PICKUP_DATETIME,
        columns.DROPOFF_DATETIME,
        columns.PASSENGER_COUNT,
        columns.TRIP_DISTANCE,
        columns.RATE_CODE_ID,
        columns.STORE_AND_FWD_FLAG,
        columns.PICKUP_LOCATION_ID,
        columns.DROPOFF_LOCATION_ID,
        columns.PAYMENT_TYPE,
        columns.FARE_AMOUNT,
        columns.EXTRA,
        columns.MTA_TAX,
        columns.TIP_AMOUNT,
        columns.TOLLS_AMOUNT,
        columns.IMPROVEMENT_SURCHARGE,
        columns.TOTAL_AMOUNT,
        columns.CONGESTION_SURCHARGE,
        columns.CBD_CONGESTION_FEE,
        columns.amount("ehail_fee", "Fee for hailing by app; never filled in since 2019"),
        columns.identifier("trip_type", "Whether the car was hailed or sent.", codes=columns.TRIP_TYPES),
    ),
    eras=(_2014, _2015, _2019, _2019_09, _2023_02, _2025),
    distance="trip_distance",
    total="total_amount",
    tips="tip_amount",
)
