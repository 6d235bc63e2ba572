"""Dataset yellow, 2009 to now: medallion cabs, hailed in the street."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.columns import WALL_TIME
from taxi_assets.catalog.model import Dataset, Era, Field
from taxi_assets.month import Month

_STRING, _LARGE_STRING, _DOUBLE = pa.string(), pa.large_string(), pa.float64()
_INT64, _INT32, _NULL = pa.int64(), pa.int32(), pa.null()

_2009 = Era(
    Month(2009, 1),
    (
        Field("vendor_name", _STRING, "vendor_id"),
        Field("Trip_Pickup_DateTime", _STRING, "pickup_datetime"),
        Field("Trip_Dropoff_DateTime", _STRING, "dropoff_datetime"),
        Field("Passenger_Count", _INT64, "passenger_count"),
        Field("Trip_Distance", _DOUBLE, "trip_distance"),
        Field("Start_Lon", _DOUBLE, "pickup_longitude"),
        Field("Start_Lat", _DOUBLE, "pickup_latitude"),
        Field("Rate_Code", _DOUBLE, "rate_code_id"),
        Field("store_and_forward", _DOUBLE, "store_and_fwd_flag"),
        Field("End_Lon", _DOUBLE, "dropoff_longitude"),
        Field("End_Lat", _DOUBLE, "dropoff_latitude"),
        Field("Payment_Type", _STRING, "payment_type"),
        Field("Fare_Amt", _DOUBLE, "fare_amount"),
        Field("surcharge", _DOUBLE, "extra"),
        Field("mta_tax", _DOUBLE, "mta_tax"),
        Field("Tip_Amt", _DOUBLE, "tip_amount"),
        Field("Tolls_Amt", _DOUBLE, "tolls_amount"),
        Field("Total_Amt", _DOUBLE, "total_amount"),
    ),
)
_2010 = Era(
    Month(2010, 1),
    (
        Field("vendor_id", _STRING, "vendor_id"),
        Field("pickup_datetime", _STRING, "pickup_datetime"),
        Field("dropoff_datetime", _STRING, "dropoff_datetime"),
        Field("passenger_count", _INT64, "passenger_count"),
        Field("trip_distance", _DOUBLE, "trip_distance"),
        Field("pickup_longitude", _DOUBLE, "pickup_longitude"),
        Field("pickup_latitude", _DOUBLE, "pickup_latitude"),
        Field("rate_code", _STRING, "rate_code_id"),
        Field("store_and_fwd_flag", _STRING, "store_and_fwd_flag"),
        Field("dropoff_longitude", _DOUBLE, "dropoff_longitude"),
        Field("dropoff_latitude", _DOUBLE, "dropoff_latitude"),
        Field("payment_type", _STRING, "payment_type"),
        Field("fare_amount", _DOUBLE, "fare_amount"),
        Field("surcharge", _DOUBLE, "extra"),
        Field("mta_tax", _DOUBLE, "mta_tax"),
        Field("tip_amount", _DOUBLE, "tip_amount"),
        Field("tolls_amount", _DOUBLE, "tolls_amount"),
        Field("total_amount", _DOUBLE, "total_amount"),
    ),
)
_2010_02 = _2010.then("2010-02", added=[Field("__index_level_0__", _INT64, None)])
_2010_04 = _2010_02.then("2010-04", dropped=["__index_level_0__"])
_2011 = Era(
    Month(2011, 1),
    (
        Field("VendorID", _INT64, "vendor_id"),
        Field("tpep_pickup_datetime", WALL_TIME, "pickup_datetime"),
        Field("tpep_dropoff_datetime", WALL_TIME, "dropoff_datetime"),
        Field("passenger_count", _INT64, "passenger_count"),
        Field("trip_distance", _DOUBLE, "trip_distance"),
        Field("RatecodeID", _INT64, "rate_code_id"),
        Field("store_and_fwd_flag", _STRING, "store_and_fwd_flag"),
        Field("PULocationID", _INT64, "pickup_location_id"),
        Field("DOLocationID", _INT64, "dropoff_location_id"),
        Field("payment_type", _INT64, "payment_type"),
        Field("fare_amount", _DOUBLE, "fare_amount"),
        Field("extra", _DOUBLE, "extra"),
        Field("mta_tax", _DOUBLE, "mta_tax"),
        Field("tip_amount", _DOUBLE, "tip_amount"),
        Field("tolls_amount", _DOUBLE, "tolls_amount"),
        Field("improvement_surcharge", _DOUBLE, "improvement_surcharge"),
        Field("total_amount", _DOUBLE, "total_amount"),
        Field("congestion_surcharge", _NULL, "congestion_surcharge"),
        Field("airport_fee", _NULL, "airport_fee"),
    ),
)
_2019 = _2011.then(
    "2019-01", types={"passenger_count": _DOUBLE, "RatecodeID": _DOUBLE, "congestion_surcharge": _DOUBLE}
)
_2020_08 = _2019.then("2020-08", types={"airport_fee": _DOUBLE})
_2020_10 = _2020_08.then("2020-10", types={"airport_fee": _NULL})
_2020_11 = _2020_10.then("2020-11", types={"airport_fee": _DOUBLE})
_2023_02 = _2020_11.then(
    "2023-02",
    renamed={"airport_fee": "Airport_fee"},
    types={
        "VendorID": _INT32,
        "PULocationID": _INT32,
        "DOLocationID": _INT32,
        "passenger_count": _INT64,
        "RatecodeID": _INT64,
        "store_and_fwd_flag": _LARGE_STRING,
    },
)
_2025 = _2023_02.then(
    "2025-01",
    types={
        "tpep_pickup_datetime": pa.timestamp("ns"),
        "tpep_dropoff_datetime": pa.timestamp("ns"),
        "passenger_count": _DOUBLE,
        "RatecodeID": _DOUBLE,
        "store_and_fwd_flag": _STRING,
    },
    added=[Field("cbd_congestion_fee", _DOUBLE, "cbd_congestion_fee")],
)

YELLOW = Dataset(
    name="yellow",
    title="Yellow taxi trips",
    description="Trips of yellow taxis, the medallion cabs that may be hailed anywhere in New York.",
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
        columns.amount("airport_fee", "Fee for pickups at LaGuardia and JFK airports"),
        columns.CBD_CONGESTION_FEE,
        columns.PICKUP_LONGITUDE,
        columns.PICKUP_LATITUDE,
        columns.DROPOFF_LONGITUDE,
        columns.DROPOFF_LATITUDE,
    ),
    eras=(_2009, _2010, _2010_02, _2010_04, _2011, _2019, _2020_08, _2020_10, _2020_11, _2023_02, _2025),
    distance="trip_distance",
    total="total_amount",
    tips="tip_amount",
)
