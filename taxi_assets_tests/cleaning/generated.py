"""Months drawn by hypothesis: mostly plausible rows, with the values on which cleaning could go wrong.

Every value comes from a small pool, the plausible one first: so rows repeat, and what fails shrinks to a plausible row
with one odd value. Limits are hit exactly: 24 hours, one day outside the month, 500 miles, the zones beside 1 and 265.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from taxi_assets.catalog import Column, Dataset
from taxi_assets.month import Month

_SECOND, _HOUR, _DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1)
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LEAST, _GREATEST = -(2**63), 2**63 - 1

_WHOLE = (1, 2, 0, -1, 265, 266, 99, 32767, 32768, -32768, -32769, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, _LEAST)
_FLOATING = (1.0, 12.3, 0.0, -0.0, 12.300000000000001, -12.3, 500.0, math.nextafter(500, 501), 1.5, 265.0)
_STRANGE = (-0.004, 0.004, -73.98, math.nan, math.inf, -math.inf, 1e300, -1e300, 32768.0, 265.0000001)
_NUMBERS_AS_TEXT = ("1", "2.0", " 12.3 ", "-12.3", "1.5", "1e2", "266", "40000", "1e400", "NaN", "-inf", "1,5", "0x10")
_TEXTS = ("Y", "N", " y", "n ", "B00009", "é", "it's", "", "   ", "\0", "Y\0", "1", "0.0", "CMT", "Credit", "no charge")
_TIMES_AS_TEXT = ("", " ", "soon", "2009-02-30 00:00:00", "10000-01-01 00:00:00", "0000-12-31 00:00:00", "20\0", "12")
_DECIMALS = tuple(Decimal(text) for text in ("1.00", "12.30", "-12.30", "0.00", "1.50", "265.00", "40000.00"))

# What the same values could be typed as: TLC's types have changed without notice, and so may they again.
_OTHER_NUMBERS = (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint16(), pa.uint64(), pa.float32(), pa.float64()),
    *(pa.decimal128(12, 2), pa.string(), pa.large_string(), pa.null()),
)
_OTHER_TEXTS = (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.null())
_OTHER_TIMES = (
    *(pa.timestamp(unit, zone) for unit in _TICKS for zone in (None, "UTC")),
    *(pa.string(), pa.date32(), pa.null()),
)


@dataclass(frozen=True)
class Drawn:
    """A month as it was drawn: its columns' types, and its rows as far as they differ from a plausible one."""

    month: Month
    odd_types: Mapping[str, pa.DataType]
    odd_values: list[dict[str, Any]]
    table: pa.Table = field(repr=False)


def plausible_month(dataset: Dataset, month: Month) -> pa.Table:
    """One row that breaks no rule, in the types and codes of the month's era."""
    columns = [
        (one.source, one.physical, dataset.column(one.column) if one.column is not None else None)
        for one in dataset.era(month).fields
    ]
    return pa.table({name: _array([next(_pool(column, kind, month))], kind) for name, kind, column in columns})


@st.composite
def months(draw: st.DrawFn, dataset: Dataset) -> Drawn:
    """A file of one of the dataset's eras, now and then with other types or a column that nobody expects."""
    era = draw(st.sampled_from(dataset.eras))
    month = era.since
    usual = {one.source: one.physical for one in era.fields}
    columns = {one.source: dataset.column(one.column) for one in era.fields if one.column is not None}
    odd_types = {
        name: draw(st.sampled_from(_other_types(columns[name])))
        for name in draw(st.lists(st.sampled_from(sorted(columns)), max_size=2))
    }
    if draw(st.booleans()):
        odd_types['an "unknown" column'] = pa.string()
    types = usual | odd_types
    pools = {name: tuple(_pool(columns.get(name), kind, month)) for name, kind in types.items()}
    plausible = {name: pool[0] for name, pool in pools.items()}
    rows = draw(_rows(plausible, pools))
    table = pa.table({name: _array([row[name] for row in rows], kind) for name, kind in types.items()})
    odd_values = [{name: value for name, value in row.items() if value is not plausible[name]} for row in rows]
    return Drawn(month, odd_types, odd_values, table)


@st.composite
def _rows(draw: st.DrawFn, plausible: Mapping[str, Any], pools: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """A few rows, again and again: as they are, or as the refund of themselves."""
    change = st.one_of([st.tuples(st.just(name), st.sampled_from(pool)) for name, pool in pools.items()])
    trips = draw(st.lists(st.lists(change, max_size=4), min_size=1, max_size=8))
    takes = draw(st.lists(st.tuples(st.sampled_from(trips), st.booleans()), max_size=20))
    return [
        {name: _negated(value) if refunded else value for name, value in {**plausible, **dict(changes)}.items()}
        for changes, refunded in takes
    ]


def _negated(value: Any) -> Any:
    return -value if isinstance(value, float | Decimal) else value


def _other_types(column: Column) -> tuple[pa.DataType, ...]:
    if pa.types.is_string(column.type):
        return _OTHER_TEXTS
    return _OTHER_TIMES if pa.types.is_timestamp(column.type) else _OTHER_NUMBERS


def _pool(column: Column | None, kind: pa.DataType, month: Month) -> Iterator[Any]:
    """The values that a column of that type may hold in the file, a plausible one first."""
    if pa.types.is_null(kind):
        yield None
        return
    if column is not None and pa.types.is_timestamp(column.type):
        yield from _times(kind, month)
    elif pa.types.is_integer(kind):
        lowest = -(2 ** (kind.bit_width - 1)) if pa.types.is_signed_integer(kind) else 0
        yield from (number for number in _WHOLE if lowest <= number < lowest + 2**kind.bit_width)
    elif pa.types.is_floating(kind):
        yield from _FLOATING + _STRANGE
    elif pa.types.is_decimal(kind):
        yield from _DECIMALS
    else:
        numeric = column is not None and not pa.types.is_string(column.type)
        yield from _NUMBERS_AS_TEXT + _TEXTS if numeric else _TEXTS
    yield None


def _times(kind: pa.DataType, month: Month) -> Iterator[Any]:
    begin = datetime(month.year, month.number, 1)
    end = datetime(month.plus(1).year, month.plus(1).number, 1)
    near = (
        *(begin + 12 * _HOUR, begin + 13 * _HOUR, begin + 36 * _HOUR, begin + 36 * _HOUR + _SECOND),
        *(begin - _DAY, begin - _DAY - _SECOND, end + _DAY - _SECOND, end + _DAY, datetime(2041, 1, 1)),
    )
    far = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
    if pa.types.is_date(kind):
        yield from (moment.date() for moment in near + far)
    elif not pa.types.is_timestamp(kind):
        yield from (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in near)
        yield from _TIMES_AS_TEXT
    else:
        yield from (_ticks(moment, kind.unit) for moment in (near if kind.unit == "ns" else near + far))
        if kind.unit == "us":
            beyond = _ticks(far[1], "us") + 10**6
            yield from (beyond, _ticks(far[0], "us") - 1, 33_106_123_800_000_000, _LEAST, _LEAST + 1, _GREATEST)


def _ticks(moment: datetime, unit: str) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * _TICKS[unit] // 10**6


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if pa.types.is_floating(kind):  # the nearest 32-bit number will do
        return pa.array(values, pa.float64()).cast(kind, safe=False)
    return pa.array(values, kind)
