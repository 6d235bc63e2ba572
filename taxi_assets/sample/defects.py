"""Defects: changes to plausible trips that break one rule each and, where possible, no other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from taxi_assets.catalog import LAST_ZONE, Column
from taxi_assets.sample.columns import AMOUNT_COLUMNS
from taxi_assets.sample.legacy_codes import is_text
from taxi_assets.sample.trips import Integers, Trips, Values

_STRAY_YEARS = (2002, 2008, 2041)  # years of pickups in TLC's files
_IMPOSSIBLE_DISTANCES = (-1.0, 501.0, 312_722.3)  # the last is the longest trip of yellow 2024-01
_UNKNOWN_ZONES = (0.0, LAST_ZONE + 1.0, 999.0)
_UNCASTABLE_TEXT = "illegible"
_FRACTION = 1.5
_HOUR, _DAY = 3_600, 86_400

Columns = Mapping[str, Values]


@dataclass(frozen=True)
class DefectRows:
    """Rows of a batch that break one rule.

    Attributes:
        rows: their positions in the batch.
        ordinals: their ordinals among the month's rows that break the rule, from 0; a defect with several variants
            cycles through them by ordinal.
    """

    rows: Integers
    ordinals: Integers


def apply_defect(rule: str, trips: Trips, columns: Columns, broken: DefectRows) -> None:
    """Change the rows' values in place so that they break the rule."""
    _DEFECTS[rule](trips, columns, broken.rows, broken.ordinals)


def uncastable_value(column: Column, physical: pa.DataType) -> str | float | None:
    """A value of the physical type without a counterpart in the canonical type; None where every value has one."""
    if is_text(column.type):
        return None
    if is_text(physical):
        return _UNCASTABLE_TEXT
    if pa.types.is_floating(physical) and pa.types.is_integer(column.type):
        return _FRACTION
    if pa.types.is_integer(physical) and physical.bit_width > column.type.bit_width:
        return int(2**column.type.bit_width)
    return None


def _missing_time(trips: Trips, columns: Columns, rows: Integers, ordinals: Integers) -> None:
    times = [column.name for column in trips.dataset.columns if not column.nullable]
    for variant, name in enumerate(times):
        columns[name][rows[ordinals % len(times) == variant]] = None


def _stray_month(trips: Trips, columns: Columns, rows: Integers, ordinals: Integers) -> None:
    first_day = trips.month.first_day
    days = _cycled([(first_day.replace(year=year) - first_day).days for year in _STRAY_YEARS], ordinals)
    for values in columns.values():
        if values.dtype.kind == "M":
            values[rows] += days * _DAY


def _negative_duration(trips: Trips, columns: Columns, rows: Integers, _ordinals: Integers) -> None:
    columns["dropoff_datetime"][rows] = columns["pickup_datetime"][rows] - trips.seconds[rows]


def _impossible_duration(trips: Trips, columns: Columns, rows: Integers, _ordinals: Integers) -> None:
    columns["dropoff_datetime"][rows] = columns["pickup_datetime"][rows] + 25 * _HOUR + trips.seconds[rows]


def _impossible_distance(trips: Trips, columns: Columns, rows: Integers, ordinals: Integers) -> None:
    columns[str(trips.dataset.distance)][rows] = _cycled(_IMPOSSIBLE_DISTANCES, ordinals)


def _unknown_zone(_trips: Trips, columns: Columns, rows: Integers, ordinals: Integers) -> None:
    for variant, name in enumerate(("pickup_location_id", "dropoff_location_id")):
        chosen = ordinals % 2 == variant
        columns[name][rows[chosen]] = _cycled(_UNKNOWN_ZONES, ordinals[chosen])


def _negative_amount(trips: Trips, columns: Columns, rows: Integers, _ordinals: Integers) -> None:
    for name in (*AMOUNT_COLUMNS, str(trips.dataset.total)):
        if name in columns:
            columns[name][rows] = 0 - columns[name][rows]


def _no_passengers(_trips: Trips, columns: Columns, rows: Integers, _ordinals: Integers) -> None:
    columns["passenger_count"][rows] = 0


def _no_distance(trips: Trips, columns: Columns, rows: Integers, _ordinals: Integers) -> None:
    columns[str(trips.dataset.distance)][rows] = 0


def _no_change(_trips: Trips, _columns: Columns, _rows: Integers, _ordinals: Integers) -> None:
    """For rules that other rows make a row break, and for `unreadable_value`, which `batches` adds."""


def _cycled(variants: Sequence[float], ordinals: Integers) -> Values:
    return np.array(variants)[ordinals % len(variants)]


_DEFECTS: Mapping[str, Callable[[Trips, Columns, Integers, Integers], None]] = {
    "unreadable_value": _no_change,
    "missing_time": _missing_time,
    "stray_month": _stray_month,
    "negative_duration": _negative_duration,
    "impossible_duration": _impossible_duration,
    "impossible_distance": _impossible_distance,
    "unknown_zone": _unknown_zone,
    "negative_amount": _negative_amount,
    "voided_trip": _no_change,
    "duplicate": _no_change,
    "no_passengers": _no_passengers,
    "no_distance": _no_distance,
}
