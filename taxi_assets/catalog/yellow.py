"""Yellow taxis: medallion cabs, hailed in the street, 2009 to now."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.columns import WALL_TIME
from taxi_assets.catalog.model import Dataset, Era, Field
from taxi_assets.month import Month

_TEXT, _LARGE_TEXT, _NUMBER = pa.string(), pa.large_string(), pa.float64()
_INT, _NARROW, _NOTHING = pa.int64(), pa.int32(), pa.null()

_2009 = Era(
    Month(2009, 1),
    (
        Field("vendor_name", _TEXT, "vendor_id"),
        Field("Trip_Pickup_DateTime", _TEXT, "pickup_datetime"),
        Field("Trip_Dropoff_DateTime", _TEXT, "dropoff_datetime"),
        Field("Passenger_Count", _INT, "passenger_count"),
        Field("Trip_Distance", _NUMBER, "trip_distance"),
        Field("Start_Lon", _NUMBER, "pickup_longitude"),
        Field("Start_Lat", _NUMBER, "pickup_latitude"),
        Field("Rate_Code", _NUMBER, "rate_code_id"),
        Field("store_and_forward", _NUMBER, "store_and_fwd_flag"),
        Field("End_Lon", _NUMBER, "dropoff_longitude"),
        Field("End_Lat", _NUMBER, "dropoff_latitude"),
        Field("Payment_Type", _TEXT, "payment_type"),
        Field("Fare_Amt", _NUMBER, "fare_amount"),
        Field("surcharge", _NUMBER, "extra"),
        Field("mta_tax", _NUMBER, "mta_tax"),
        Field("Tip_Amt", _NUMBER, "tip_amount"),
        Field("Tolls_Amt", _NUMBER, "tolls_amount"),
        Field("Total_Amt", _NUMBER, "total_amount"),
    ),
)
_2010 = Era(
    Month(2010, 1),
    (
        Field("vendor_id", _TEXT, "vendor_id"),
        Field("pickup_datetime", _TEXT, "pickup_datetime"),
        Field("dropoff_datetime", _TEXT, "dropoff_datetime"),
        Field("passenger_count", _INT, "passenger_count"),
        Field("trip_distance", _NUMBER, "trip_distance"),
        Field("pickup_longitude", _NUMBER, "pickup_longitude"),
        Field("pickup_latitude", _NUMBER, "pickup_latitude"),
        Field("rate_code", _TEXT, "rate_code_id"),
        Field("store_and_fwd_flag", _TEXT, "store_and_fwd_flag"),
        Field("dropoff_longitude", _NUMBER, "dropoff_longitude"),
        Field("dropoff_latitude", _NUMBER, "dropoff_latitude"),
        Field("payment_type", _TEXT, "payment_type"),
        Field("fare_amount", _NUMBER, "fare_amount"),
        Field("surcharge", _NUMBER, "extra"),
        Field("mta_tax", _NUMBER, "mta_tax"),
        Field("tip_amount", _NUMBER, "tip_amount"),
        Field("tolls_amount", _NUMBER, "tolls_amount"),
        Field("total_amount", _NUMBER, "total_amount"),
    ),
)
_2010_02 = _2010.then("2010-02", added=[Field("__index_level_0__", _INT, None)])
_2010_04 = _2010_02.then("2010-04", dropped=["__index_level_0__"])
_2011 = Era(
    Month(2011, 1),
    (
        Field("VendorID", _INT, "vendor_id"),
        Field("tpep_pickup_datetime", WALL_TIME, "pickup_datetime"),
        Field("tpep_dropoff_datetime", WALL_TIME, "dropoff_datetime"),
        Field("passenger_count", _INT, "passenger_count"),
        Field("trip_distance", _NUMBER, "trip_distance"),
        Field("RatecodeID", _INT, "rate_code_id"),
        Field("store_and_fwd_flag", _TEXT, "store_and_fwd_flag"),
        Field("PULocationID", _INT, "pickup_location_id"),
        Field("DOLocationID", _INT, "dropoff_location_id"),
        Field("payment_type", _INT, "payment_type"),
        Field("fare_amount", _NUMBER, "fare_amount"),
        Field("extra", _NUMBER, "extra"),
        Field("mta_tax", _NUMBER, "mta_tax"),
        Field("tip_amount", _NUMBER, "tip_amount"),
        Field("tolls_amount", _NUMBER, "tolls_amount"),
        Field("improvement_surcharge", _NUMBER, "improvement_surcharge"),
        Field("total_amount", _NUMBER, "total_amount"),
        Field("congestion_surcharge", _NOTHING, "congestion_surcharge"),
        Field("airport_fee", _NOTHING, "airport_fee"),
    ),
)
_2019 = _2011.then(
    "2019-01", types={"passenger_count": _NUMBER, "RatecodeID": _NUMBER, "congestion_surcharge": _NUMBER}
)
_2020_08 = _2019.then("2020-08", types={"airport_fee": _NUMBER})
_2020_10 = _2020_08.then("2020-10", types={"airport_fee": _NOTHING})
_2020_11 = _2020_10.then("2020-11", types={"airport_fee": _NUMBER})
_2023_02 = _2020_11.then(
    "2023-02",
    renamed={"airport_fee": "Airport_fee"},
    types={
        "VendorID": _NARROW,
        "PULocationID": _NARROW,
        "DOLocationID": _NARROW,
        "passenger_count": _INT,
        "RatecodeID": _INT,
        "store_and_fwd_flag": _LARGE_TEXT,
    },
)
_2025 = _2023_02.then(
    "2025-01",
    types={
        "tpep_pickup_datetime": pa.timestamp("ns"),
        "tpep_dropoff_datetime": pa.timestamp("ns"),
        "passenger_count": _NUMBER,
        "RatecodeID": _NUMBER,
        "store_and_fwd_flag": _TEXT,
    },
    added=[Field("cbd_congestion_fee", _NUMBER, "cbd_congestion_fee")],
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
