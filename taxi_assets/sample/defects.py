"""What is done to plausible trips so that each breaks one rule and, where possible, no other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from taxi_assets.catalog import LAST_ZONE, Column
from taxi_assets.sample.columns import PARTS
from taxi_assets.sample.legacy_codes import is_text
from taxi_assets.sample.trips import Trips, Values, Whole

_STRAY_YEARS = (2002, 2008, 2041)  # all three seen in TLC's files
_NOT_A_DISTANCE = (-1.0, 501.0, 312_722.3)  # the last one is the longest trip of yellow 2024-01
_NOT_A_ZONE = (0.0, LAST_ZONE + 1.0, 999.0)
_NEITHER_NUMBER_NOR_TIME = "illegible"
_NOT_WHOLE = 1.5
_HOUR, _DAY = 3_600, 86_400

Columns = Mapping[str, Values]


@dataclass(frozen=True)
class Broken:
    """Rows of a batch that break a rule.

    Attributes:
        rows: their positions in the batch.
        turns: how many rows of the month break the rule before each of them: where there are several ways to break it,
            they are taken in turn.
    """

    rows: Whole
    turns: Whole


def break_rows(rule: str, trips: Trips, columns: Columns, broken: Broken) -> None:
    """Change the values of rows in place so that they break the rule of that name."""
    _BREAKERS[rule](trips, columns, broken.rows, broken.turns)


def unreadable_value(column: Column, physical: pa.DataType) -> str | float | None:
    """A value that the physical type can hold and the canonical one cannot; None where there is none."""
    if is_text(column.type):
        return None
    if is_text(physical):
        return _NEITHER_NUMBER_NOR_TIME
    if pa.types.is_floating(physical) and pa.types.is_integer(column.type):
        return _NOT_WHOLE
    if pa.types.is_integer(physical) and physical.bit_width > column.type.bit_width:
        return int(2**column.type.bit_width)
    return None


def _missing_time(trips: Trips, columns: Columns, rows: Whole, turns: Whole) -> None:
    times = [column.name for column in trips.dataset.columns if not column.nullable]
    for turn, name in enumerate(times):
        columns[name][rows[turns % len(times) == turn]] = None


def _stray_month(trips: Trips, columns: Columns, rows: Whole, turns: Whole) -> None:
    first_day = trips.month.first_day
    days = _in_turn([(first_day.replace(year=year) - first_day).days for year in _STRAY_YEARS], turns)
    for values in columns.values():
        if values.dtype.kind == "M":
            values[rows] += days * _DAY


def _negative_duration(trips: Trips, columns: Columns, rows: Whole, _turns: Whole) -> None:
    columns["dropoff_datetime"][rows] = columns["pickup_datetime"][rows] - trips.seconds[rows]


def _impossible_duration(trips: Trips, columns: Columns, rows: Whole, _turns: Whole) -> None:
    columns["dropoff_datetime"][rows] = columns["pickup_datetime"][rows] + 25 * _HOUR + trips.seconds[rows]


def _impossible_distance(trips: Trips, columns: Columns, rows: Whole, turns: Whole) -> None:
    columns[str(trips.dataset.distance)][rows] = _in_turn(_NOT_A_DISTANCE, turns)


def _unknown_zone(_trips: Trips, columns: Columns, rows: Whole, turns: Whole) -> None:
    for turn, name in enumerate(("pickup_location_id", "dropoff_location_id")):
        chosen = turns % 2 == turn
        columns[name][rows[chosen]] = _in_turn(_NOT_A_ZONE, turns[chosen])


def _negative_amount(trips: Trips, columns: Columns, rows: Whole, _turns: Whole) -> None:
    for name in (*PARTS, str(trips.dataset.total)):
        if name in columns:
            columns[name][rows] = 0 - columns[name][rows]


def _no_passengers(_trips: Trips, columns: Columns, rows: Whole, _turns: Whole) -> None:
    columns["passenger_count"][rows] = 0


def _no_distance(trips: Trips, columns: Columns, rows: Whole, _turns: Whole) -> None:
    columns[str(trips.dataset.distance)][rows] = 0


def _nothing_to_do(_trips: Trips, _columns: Columns, _rows: Whole, _turns: Whole) -> None:
    """The row breaks the rule by what other rows are, or is broken in its physical column."""


def _in_turn(ways: Sequence[float], turns: Whole) -> Values:
    return np.array(ways)[turns % len(ways)]


_BREAKERS: Mapping[str, Callable[[Trips, Columns, Whole, Whole], None]] = {
    "unreadable_value": _nothing_to_do,
    "missing_time": _missing_time,
    "stray_month": _stray_month,
    "negative_duration": _negative_duration,
    "impossible_duration": _impossible_duration,
    "impossible_distance": _impossible_distance,
    "unknown_zone": _unknown_zone,
    "negative_amount": _negative_amount,
    "voided_trip": _nothing_to_do,
    "duplicate": _nothing_to_do,
    "no_passengers": _no_passengers,
    "no_distance": _no_distance,
}
