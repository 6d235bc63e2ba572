"""The cleaning once more, in plain Python: a month as a list of dicts, every rule as one function of a row.

Written from the rules' descriptions and not from their SQL, and slow on purpose: what it says about a file is easy to
follow, so that where cleaning says something else, one of the two is wrong.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from math import floor, isfinite, isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_assets.catalog import Column, Dataset
from taxi_assets.month import Month

Row = Mapping[str, Any]

RULES = (
    "unreadable_value",
    "missing_time",
    "stray_month",
    "negative_duration",
    "impossible_duration",
    "impossible_distance",
    "unknown_zone",
    "negative_amount",
    "voided_trip",
    "duplicate",
    "no_passengers",
    "no_distance",
)

_SAME_TRIP = ("vendor_id", "pickup_datetime", "dropoff_datetime", "pickup_location_id", "dropoff_location_id")
_UNREADABLE = object()
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY = timedelta(days=1)
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Instant(NamedTuple):
    """A timestamp of any unit and any year; Python's own begin with the year 1 and know no nanoseconds."""

    nanoseconds: int


@dataclass(frozen=True)
class Judged:
    """What the reference makes of a month's file.

    Attributes:
        originals: the rows as they are in the file, under TLC's names.
        readings: the rows under canonical names, None for what is missing or cannot be read.
        broken: for each row the names of the rules it breaks, in the rules' order.
    """

    originals: list[Row]
    readings: list[Row]
    broken: list[list[str]]

    @property
    def clean(self) -> list[int]:
        """Positions of the rows that break nothing."""
        return [position for position, names in enumerate(self.broken) if not names]

    @property
    def quarantined(self) -> list[int]:
        """Positions of the other rows."""
        return [position for position, names in enumerate(self.broken) if names]


def judge(path: Path, dataset: Dataset, month: Month, rules: Collection[str]) -> Judged:
    """The file's rows and the rules that each of them breaks, of those that were asked for."""
    originals = plain_rows(pq.read_table(path))
    judged = _Judge(dataset, month, originals)
    asked = {*rules, "unreadable_value"}
    return Judged(
        originals,
        judged.readings,
        [
            [rule for rule in RULES if rule in asked and judged.breaks(rule, position)]
            for position in range(len(originals))
        ],
    )


def plain_rows(table: pa.Table) -> list[Row]:
    """The table's rows as dicts of Python values, alike where the values are alike, whatever the physical types."""
    columns = [_plain_values(column) for column in table.columns]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain_values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        factor = _NANOSECONDS[column.type.unit]
        ticks = column.cast(pa.int64()).to_pylist()
        return [None if tick is None else Instant(tick * factor) for tick in ticks]
    values = column.to_pylist()
    if not pa.types.is_floating(column.type):
        return values
    # One object for every NaN: containers ask for identity first, so that rows with NaN are equal and hash alike.
    return [nan if value is not None and isnan(value) else value for value in values]


class _Judge:
    def __init__(self, dataset: Dataset, month: Month, originals: list[Row]) -> None:
        self.dataset = dataset
        self.begin = _midnight(month.first_day)
        self.end = _midnight(month.plus(1).first_day)
        names = {name: dataset.aliases.get(name.lower(), name) for name in (originals[0] if originals else ())}
        sources = {canonical: name for name, canonical in names.items()}
        readers = [(column.name, sources.get(column.name), _reader(column)) for column in dataset.columns]
        read = [{name: reader(row.get(source)) for name, source, reader in readers} for row in originals]
        self.unreadable = [_UNREADABLE in row.values() for row in read]
        self.readings = [{name: None if value is _UNREADABLE else value for name, value in row.items()} for row in read]
        self.refunds = {_voiding(row, -1) for row in self.readings} - {None}
        self.repeated = _repeated([[row[name] for name in names if names[name] is not None] for row in originals])

    def breaks(self, rule: str, position: int) -> bool:
        if rule == "unreadable_value":
            return self.unreadable[position]
        if rule == "voided_trip":
            return _voiding(self.readings[position], 1) in self.refunds
        if rule == "duplicate":
            return self.repeated[position]
        breaks: Callable[[Row], bool] = getattr(self, f"_{rule}")
        return breaks(self.readings[position])

    def _missing_time(self, row: Row) -> bool:
        return row["pickup_datetime"] is None or (row["dropoff_datetime"] is None and self.dataset.name != "fhv")

    def _stray_month(self, row: Row) -> bool:
        pickup = row["pickup_datetime"]
        return pickup is not None and not self.begin - _DAY <= pickup < self.end + _DAY

    def _negative_duration(self, row: Row) -> bool:
        duration = _duration(row)
        return duration is not None and duration < timedelta(0)

    def _impossible_duration(self, row: Row) -> bool:
        duration = _duration(row)
        return duration is not None and duration > _DAY

    def _impossible_distance(self, row: Row) -> bool:
        miles = _distance(row)
        return miles is not None and not 0 <= miles <= 500

    def _unknown_zone(self, row: Row) -> bool:
        zones = (row["pickup_location_id"], row["dropoff_location_id"])
        return any(zone is not None and zone not in range(1, 266) for zone in zones)

    def _negative_amount(self, row: Row) -> bool:
        total = row.get("total_amount")
        return total is not None and total < 0

    def _no_passengers(self, row: Row) -> bool:
        return "passenger_count" in row and (row["passenger_count"] or 0) <= 0

    def _no_distance(self, row: Row) -> bool:
        return self.dataset.name != "fhv" and (_distance(row) or 0) <= 0


def _reader(column: Column) -> Callable[[Any], Any]:
    """What reads a value of the file as the canonical column has it: None where there is none, or _UNREADABLE."""
    meanings = {spelling.lower(): meaning for spelling, meaning in column.value_mapping.items()}
    plain = _plain_reader(column)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip(" ") or None
        if value is None:
            return None
        meaning = meanings.get(str(value).lower()) if meanings else None
        return plain(value) if meaning is None else meaning

    return read


def _plain_reader(column: Column) -> Callable[[Any], Any]:
    if pa.types.is_string(column.type):
        return _text
    if pa.types.is_timestamp(column.type):
        return _moment
    if pa.types.is_integer(column.type):
        return partial(_whole, 2 ** (column.type.bit_width - 1))
    return _number_but_zero if column.zero_is_missing else _number


def _text(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return _UNREADABLE
    return _UNREADABLE if "\0" in str(value) else str(value)


def _moment(value: Any) -> Any:
    try:
        if isinstance(value, Instant):
            return datetime(1970, 1, 1) + timedelta(microseconds=value.nanoseconds // 1000)
        if isinstance(value, date):
            return _midnight(value)
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    except (ValueError, OverflowError):  # no such day, or a year before 1 or after 9999
        return _UNREADABLE


def _whole(limit: int, value: Any) -> Any:
    number = value if isinstance(value, int) else _number(value)
    if number is _UNREADABLE or number != floor(number) or not -limit <= number < limit:
        return _UNREADABLE
    return int(number)


def _number(value: int | float | Decimal | str) -> Any:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return _UNREADABLE
    number = float(value)
    return number if isfinite(number) else _UNREADABLE


def _number_but_zero(value: int | float | Decimal | str) -> Any:
    return _number(value) or None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _duration(row: Row) -> timedelta | None:
    pickup, dropoff = row["pickup_datetime"], row["dropoff_datetime"]
    return None if pickup is None or dropoff is None else dropoff - pickup


def _distance(row: Row) -> float | None:
    return row.get("trip_distance", row.get("trip_miles"))


def _voiding(row: Row, sign: int) -> tuple[Any, ...] | None:
    """What a refund (sign -1) and the trip that it voids (sign 1) have in common; None for any other row."""
    cents = floor(sign * (row.get("total_amount") or 0) * 100 + 0.5)
    return (*(row.get(name) for name in _SAME_TRIP), cents) if cents > 0 else None


def _repeated(rows: list[list[Any]]) -> list[bool]:
    seen: set[tuple[Any, ...]] = set()
    answers = []
    for row in rows:
        answers.append(tuple(row) in seen)
        seen.add(tuple(row))
    return answers
