"""Table columns that several datasets share, their code tables and their value mappings.

Codes follow TLC's data dictionaries of 2025-03-18; the text codes of 2009 and 2010 were read from its files. A column
that one dataset alone has is defined with the dataset.
"""

from collections.abc import Mapping

import pyarrow as pa

from taxi_assets.catalog.model import Column
from taxi_assets.month import Month

WALL_TIME = pa.timestamp("us")

# The dictionaries list 1, 2, 6 and 7. 3 is the text code DDS of 2009 and 2010; 4 and 5 occur in some rows a month (5 in
# green 2020-12 to 2024-10), and no dictionary explains them.
VENDORS = {
    1: "Creative Mobile Technologies",
    2: "Curb Mobility (VeriFone before)",
    3: "Digital Dispatch Systems",
    4: "not explained by TLC",
    5: "not explained by TLC",
    6: "Myle",
    7: "Helix",
}
RATE_CODES = {
    1: "standard",
    2: "JFK",
    3: "Newark",
    4: "Nassau or Westchester",
    5: "negotiated fare",
    6: "group ride",
    99: "not known",
}
PAYMENT_TYPES = {
    0: "flex fare",
    1: "credit card",
    2: "cash",
    3: "no charge",
    4: "dispute",
    5: "unknown",
    6: "voided trip",
}
TRIP_TYPES = {1: "street hail", 2: "dispatch"}
YES_NO = {"Y": "yes", "N": "no"}

_VENDOR_TEXTS = {"CMT": 1, "VTS": 2, "DDS": 3}
_PAYMENT_TEXTS = {
    "credit": 1,
    "cre": 1,
    "crd": 1,
    "cash": 2,
    "cas": 2,
    "csh": 2,
    "no charge": 3,
    "no": 3,
    "noc": 3,
    "na": 3,
    "dispute": 4,
    "dis": 4,
    "unknown": 5,
    "unk": 5,
}
_FLAG_TEXTS = {"y": "Y", "1": "Y", "1.0": "Y", "n": "N", "0": "N", "0.0": "N"}


def identifier(
    name: str,
    description: str,
    *,
    required: bool = False,
    codes: Mapping[int, str] | None = None,
    value_mapping: Mapping[str, int | str] | None = None,
) -> Column:
    """An int16 column: an id, a code or a count."""
    return Column(
        name, pa.int16(), description, required=required, codes=codes or {}, value_mapping=value_mapping or {}
    )


def amount(name: str, description: str, *, required: bool = False, since: Month | None = None) -> Column:
    """A float64 column of US dollars."""
    return Column(name, pa.float64(), f"{description}, in US dollars.", required=required, since=since)


def flag(name: str, description: str) -> Column:
    """A string column of Y and N; a blank is NULL."""
    return Column(name, pa.string(), description, codes=YES_NO, value_mapping=_FLAG_TEXTS)


def wall_time(
    name: str, description: str, *, nullable: bool = True, required: bool = True, index: str | None = None
) -> Column:
    """A timestamp column in New York wall time, without a time zone: TLC's files state none."""
    text = f"{description}, New York wall time."
    return Column(name, WALL_TIME, text, nullable=nullable, required=required, index=index)


def degrees(name: str, description: str) -> Column:
    """A float64 column of degrees (WGS 84); 0, which TLC wrote for a lost GPS signal, is read as NULL."""
    return Column(
        name,
        pa.float64(),
        f"{description}, in degrees; files of 2009 and 2010 only.",
        required=True,
        zero_is_missing=True,
    )


VENDOR_ID = identifier(
    "vendor_id", "Company whose meter sent the record.", codes=VENDORS, value_mapping=_VENDOR_TEXTS, required=True
)
PICKUP_DATETIME = wall_time("pickup_datetime", "When the trip began", nullable=False, index="brin")
DROPOFF_DATETIME = wall_time("dropoff_datetime", "When the trip ended", nullable=False)
PASSENGER_COUNT = identifier("passenger_count", "Passengers, as the driver entered it.", required=True)
TRIP_DISTANCE = Column("trip_distance", pa.float64(), "Distance by the meter, in miles.", required=True)
RATE_CODE_ID = identifier("rate_code_id", "Rate in force at the end of the trip.", codes=RATE_CODES)
STORE_AND_FWD_FLAG = flag("store_and_fwd_flag", "Whether the record was held in the car for want of a connection.")
PICKUP_LOCATION_ID = identifier("pickup_location_id", "Taxi zone where the trip began; see taxi_zones.", required=True)
DROPOFF_LOCATION_ID = identifier(
    "dropoff_location_id", "Taxi zone where the trip ended; see taxi_zones.", required=True
)
PAYMENT_TYPE = identifier(
    "payment_type", "How the passenger paid.", codes=PAYMENT_TYPES, value_mapping=_PAYMENT_TEXTS, required=True
)
FARE_AMOUNT = amount("fare_amount", "Fare by time and distance", required=True)
EXTRA = amount("extra", "Rush-hour, overnight and other extras")
MTA_TAX = amount("mta_tax", "MTA tax")
TIP_AMOUNT = amount("tip_amount", "Tip paid by card; cash tips are not recorded")
TOLLS_AMOUNT = amount("tolls_amount", "Tolls paid")
IMPROVEMENT_SURCHARGE = amount(
    "improvement_surcharge", "Improvement surcharge, levied since 2015", since=Month(2015, 1)
)
TOTAL_AMOUNT = amount("total_amount", "Everything charged to the passenger, without cash tips", required=True)
CONGESTION_SURCHARGE = amount(
    "congestion_surcharge", "New York State congestion surcharge, levied since 2019", since=Month(2019, 2)
)
CBD_CONGESTION_FEE = amount(
    "cbd_congestion_fee", "MTA congestion relief zone fee, levied since 2025-01-05", since=Month(2025, 1)
)
PICKUP_LONGITUDE = degrees("pickup_longitude", "Longitude where the trip began")
PICKUP_LATITUDE = degrees("pickup_latitude", "Latitude where the trip began")
DROPOFF_LONGITUDE = degrees("dropoff_longitude", "Longitude where the trip ended")
DROPOFF_LATITUDE = degrees("dropoff_latitude", "Latitude where the trip ended")
DISPATCHING_BASE_NUM = Column(
    "dispatching_base_num", pa.string(), "TLC licence number of the base that sent the car.", required=True
)
