"""Dataset fhv, 2015 to now: trips that a base dispatched (car services, and until 2019-01 the large apps)."""

import pyarrow as pa

from taxi_assets.catalog import columns
from taxi_assets.catalog.columns import WALL_TIME
from taxi_assets.catalog.model import Column, Dataset, Era, Field
from taxi_assets.month import Month

_STRING, _LARGE_STRING, _DOUBLE = pa.string(), pa.large_string(), pa.float64()
_INT64, _NULL = pa.int64(), pa.null()

_2015 = Era(
    Month(2015, 1),
    (
        Field("dispatching_base_num", _STRING, "dispatching_base_num"),
        Field("pickup_datetime", WALL_TIME, "pickup_datetime"),
        Field("dropOff_datetime", WALL_TIME, "dropoff_datetime"),
        Field("PUlocationID", _DOUBLE, "pickup_location_id"),
        Field("DOlocationID", _DOUBLE, "dropoff_location_id"),
        Field("SR_Flag", _DOUBLE, "sr_flag"),
        Field("Affiliated_base_number", _STRING, "affiliated_base_number"),
    ),
)
_2019_03 = _2015.then("2019-03", types={"SR_Flag": _NULL})
_2019_05 = _2019_03.then("2019-05", types={"PUlocationID": _INT64, "DOlocationID": _INT64})
_2019_07 = _2019_05.then("2019-07", types={"PUlocationID": _DOUBLE, "DOlocationID": _DOUBLE})
_2020_07 = _2019_07.then("2020-07", types={"DOlocationID": _INT64})
_2020_08 = _2020_07.then("2020-08", types={"DOlocationID": _DOUBLE})
_2023_02 = _2020_08.then(
    "2023-02",
    types={
        "dispatching_base_num": _LARGE_STRING,
        "PUlocationID": _INT64,
        "DOlocationID": _INT64,
        "SR_Flag": _INT64,
        "Affiliated_base_number": _LARGE_STRING,
    },
)

FHV = Dataset(
    name="fhv",
    title="For-hire vehicle trips",
    description="Trips of for-hire vehicles, sent by a base; the large apps left this set for fhvhv in 2019-02.",
    columns=(
        columns.DISPATCHING_BASE_NUM,
        columns.PICKUP_DATETIME,
        columns.wall_time("dropoff_datetime", "When the trip ended, where the base reported it", required=False),
        columns.PICKUP_LOCATION_ID,
        columns.DROPOFF_LOCATION_ID,
        columns.identifier("sr_flag", "1 for a trip of a shared-ride chain, missing otherwise."),
        Column("affiliated_base_number", pa.string(), "TLC licence number of the base that the car belongs to."),
    ),
    eras=(_2015, _2019_03, _2019_05, _2019_07, _2020_07, _2020_08, _2023_02),
)
