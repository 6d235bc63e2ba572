"""The cases: one or several outputs of an asset, and the rows that are to be loaded afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

BEYOND_FLOAT = 2**53 + 1
KEY = UUID("6ecd8c99-4036-403d-bf84-cf8400f67836")
FIRST, SECOND = "2024-01-01", "2024-01-02"
DAYS = dg.DailyPartitionsDefinition("2024-01-01")
RUN_OF_DAYS = f"{FIRST}...{SECOND}"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A kind of frame.

    Attributes:
        name: what is tried, for the table.
        outputs: partition key, a range of them, or None -> the output; in turn.
        expected: the rows that are to be loaded afterwards, without the key column and without nulls.
        partitions: of the asset.
    """

    name: str
    outputs: Sequence[tuple[str | None, Callable[[], Any]]]
    expected: Sequence[Row]
    partitions: dg.PartitionsDefinition[str] | None = None


def column(name: str, values: Any, expected: Sequence[Any] | None = None) -> Case:
    """A frame of one column, which is to come back as it is."""
    wanted = list(values) if expected is None else expected
    return Case(name, [(None, lambda: pd.DataFrame({"value": values}))], [{"value": one} for one in wanted])


def frame(name: str, made: Callable[[], Any], *expected: Row) -> Case:
    """A whole table."""
    return Case(name, [(None, made)], expected)


def change(name: str, first: Any, second: Any, expected: Sequence[Any]) -> Case:
    """Two days whose column has two types."""
    outputs = [(key, partial(of_day, key, value=values)) for key, values in ((FIRST, first), (SECOND, second))]
    return Case(name, outputs, [{"value": one} for one in expected], DAYS)


def of_day(key: str, **columns: Any) -> pd.DataFrame:
    """A frame with the key column, which Dagster's own IO managers need."""
    made = pd.DataFrame(columns)
    made["day"] = pd.Series([pd.Timestamp(key)] * len(made), dtype="datetime64[us]")
    return made


def windows(
    name: str, partitions: dg.PartitionsDefinition[str], first: tuple[str, Any], second: tuple[str, Any]
) -> Case:
    """Two partitions, of which the first is made again."""

    def made(start: Any, value: int) -> pd.DataFrame:
        return pd.DataFrame({"value": [value], "day": [start]})

    outputs = [(key, partial(made, start, value)) for (key, start), value in ((first, 1), (second, 2), (first, 3))]
    return Case(name, outputs, [{"value": 3}, {"value": 2}], partitions)


TABLE = pa.table({"value": [1, None], "name": ["one", "two"]})
AS_ROWS = ({"value": 1, "name": "one"}, {"name": "two"})
LASTED = timedelta(minutes=3)
MULTI = dg.MultiPartitionsDefinition({"day": DAYS, "station": dg.StaticPartitionsDefinition(["JFK"])})

TYPES = [
    column("integers beside a null, `Int64`", pd.array([BEYOND_FLOAT, None], "Int64"), [BEYOND_FLOAT, None]),
    column(
        "the same, backed by Arrow", pd.array([BEYOND_FLOAT, None], pd.ArrowDtype(pa.int64())), [BEYOND_FLOAT, None]
    ),
    column("booleans beside a null", pd.array([True, None], "boolean"), [True, None]),
    column("text beside a null", ["JFK", None]),
    column("categories", pd.Categorical(["JFK", None, "EWR"]), ["JFK", None, "EWR"]),
    column("`int8`", np.array([-128, 127], np.int8)),
    column("`float32`", np.array([0.5, np.nan], np.float32), [0.5, None]),
    column("infinities", [float("inf"), float("-inf")]),
    column("unsigned integers of 64 bits", np.array([2**64 - 1], np.uint64), [2**64 - 1]),
    column("`Decimal`", [Decimal("0.10"), None]),
    column("`Decimal` of 30 digits", [Decimal("9" * 28 + ".01")]),
    column("dates", [date(2024, 1, 31), None], [datetime(2024, 1, 31), None]),
    column("times of a clock", [time(23, 59, 59, 999_999), None]),
    column(
        "times of a day in New York",
        pd.Series([pd.Timestamp(2024, 7, 1, 12, tz="America/New_York")]),
        [datetime(2024, 7, 1, 16, tzinfo=UTC)],
    ),
    column(
        "nanoseconds that are whole microseconds",
        np.array(["2024-01-01T00:00:00.000001"], "datetime64[ns]"),
        [datetime(2024, 1, 1, microsecond=1)],
    ),
    column(
        "nanoseconds that are not",
        np.array(["2024-01-01T00:00:00.000000001"], "datetime64[ns]"),
        [pd.Timestamp(2024, 1, 1, nanosecond=1)],
    ),
    column("intervals", pd.Series([pd.Timedelta(LASTED)]), [LASTED]),
    column("`UUID`", [KEY, None]),
    column("bytes", [b"\x00\xff", None]),
    column("lists of integers", [[1, 2], [], None]),
    column("lists of text", [["a", 'b "c"'], None]),
    column("dictionaries", [{"a": 1, "b": "x"}, None]),
    column("lists of dictionaries", [[{"a": 1.5}], None]),
    column("numbers and text in one column", [1, "two"]),
]
FRAMES = [
    frame("a column of nulls", lambda: pd.DataFrame({"row": [1], "value": [None]}), {"row": 1}),
    frame("no rows", lambda: pd.DataFrame({"value": []})),
    frame("no columns", lambda: pd.DataFrame(index=[0, 1])),
    frame(
        "a named index",
        lambda: pd.DataFrame({"value": [1]}, pd.Index(["JFK"], name="zone")),
        {"zone": "JFK", "value": 1},
    ),
    frame(
        "a MultiIndex",
        lambda: pd.DataFrame({"value": [1]}, pd.MultiIndex.from_tuples([("JFK", 1)], names=["zone", "day_of_week"])),
        {"zone": "JFK", "day_of_week": 1, "value": 1},
    ),
    frame("an index of text without a name", lambda: pd.DataFrame({"value": [1]}, pd.Index(["JFK"]))),
    frame("two columns of one name", lambda: pd.DataFrame([[1, 2]], columns=["value", "value"])),
    frame("numbers as names", lambda: pd.DataFrame({0: [1], 1: [2]}), {"0": 1, "1": 2}),
    frame(
        "names that SQL reserves, or quotes",
        lambda: pd.DataFrame({"select": [1], 'a "b"': [2]}),
        {"select": 1, 'a "b"': 2},
    ),
    frame("a Polars frame", lambda: pl.from_arrow(TABLE), *AS_ROWS),
    frame("a lazy Polars frame", lambda: pl.DataFrame(TABLE).lazy(), *AS_ROWS),
    frame("an Arrow table", lambda: TABLE, *AS_ROWS),
    frame("an Arrow reader", TABLE.to_reader, *AS_ROWS),
    frame("a DuckDB relation", lambda: duckdb.from_arrow(TABLE), *AS_ROWS),
]
CHANGES = [
    change("nulls, then integers", [None], [1], [None, 1]),
    change("nulls, then lists", [None], [[1]], [None, [1]]),
    change("NaN, then text", [np.nan], ["JFK"], [None, "JFK"]),
    change("no rows, then times of a clock", [], [time(12)], [time(12)]),
    change("integers, then integers that became floats by a null", [1], [2.0, np.nan], [1, 2, None]),
    change("`int16`, then `int64`", np.array([1], np.int16), [BEYOND_FLOAT], [1, BEYOND_FLOAT]),
    change("`int32`, then fractions", np.array([1], np.int32), [1.5], [1, 1.5]),
    change("`int64`, then fractions", [BEYOND_FLOAT], [1.5], [BEYOND_FLOAT, 1.5]),
    change("`int64`, then `Decimal`", [BEYOND_FLOAT], [Decimal("1.50")], [BEYOND_FLOAT, Decimal("1.50")]),
    change(
        "`Decimal`, then longer ones", [Decimal("1.5")], [Decimal("123456.25")], [Decimal("1.5"), Decimal("123456.25")]
    ),
    change(
        "dates, then times",
        [date(2024, 1, 31)],
        [pd.Timestamp(2024, 2, 1, 12)],
        [datetime(2024, 1, 31), datetime(2024, 2, 1, 12)],
    ),
    change("text, then integers", ["01"], [1], ["01", 1]),
    change("integers, then text that is no number", [1], ["JFK"], [1, "JFK"]),
    change("dictionaries, then one with another key", [{"a": 1}], [{"a": 2, "b": "x"}], [{"a": 1}, {"a": 2, "b": "x"}]),
    Case(
        "a new column",
        [(FIRST, partial(of_day, FIRST, value=[1])), (SECOND, partial(of_day, SECOND, value=[2], fee=[0.5]))],
        [{"value": 1}, {"value": 2, "fee": 0.5}],
        DAYS,
    ),
    Case(
        "a column that is gone",
        [(FIRST, partial(of_day, FIRST, value=[1], fee=[0.5])), (SECOND, partial(of_day, SECOND, value=[2]))],
        [{"value": 1, "fee": 0.5}, {"value": 2}],
        DAYS,
    ),
    Case(
        "columns in another order",
        [(FIRST, partial(of_day, FIRST, tip=[1], toll=[2])), (SECOND, partial(of_day, SECOND, toll=[4], tip=[3]))],
        [{"tip": 1, "toll": 2}, {"tip": 3, "toll": 4}],
        DAYS,
    ),
]
HOURS = dg.HourlyPartitionsDefinition("2024-01-01-00:00")
PARTITIONS = [
    windows(
        "hours",
        HOURS,
        ("2024-01-01-05:00", pd.Timestamp(2024, 1, 1, 5)),
        ("2024-01-01-06:00", pd.Timestamp(2024, 1, 1, 6)),
    ),
    windows("days", DAYS, (FIRST, pd.Timestamp(FIRST)), (SECOND, pd.Timestamp(SECOND))),
    windows(
        "weeks",
        dg.WeeklyPartitionsDefinition("2024-01-07"),
        ("2024-01-07", pd.Timestamp(2024, 1, 7)),
        ("2024-01-14", pd.Timestamp(2024, 1, 14)),
    ),
    windows(
        "months",
        dg.MonthlyPartitionsDefinition("2024-01-01"),
        (FIRST, pd.Timestamp(FIRST)),
        ("2024-02-01", pd.Timestamp("2024-02-01")),
    ),
    windows("names (static partitions)", dg.StaticPartitionsDefinition(["JFK", "EWR"]), ("JFK", "JFK"), ("EWR", "EWR")),
    Case("two dimensions", [("2024-01-01|JFK", lambda: pd.DataFrame({"value": [1]}))], [{"value": 1}], MULTI),
    Case(
        "rows without the key column",
        [(FIRST, lambda: pd.DataFrame({"value": [1]})), (SECOND, lambda: pd.DataFrame({"value": [2]}))],
        [{"value": 1}, {"value": 2}],
        DAYS,
    ),
    Case(
        "rows of another day",
        [(FIRST, partial(of_day, FIRST, value=[1])), (SECOND, partial(of_day, FIRST, value=[2]))],
        [{"value": 1}],
        DAYS,
    ),
    Case(
        "two days in one run, one frame",
        [(RUN_OF_DAYS, lambda: pd.concat([of_day(FIRST, value=[1]), of_day(SECOND, value=[2])], ignore_index=True))],
        [{"value": 1}, {"value": 2}],
        DAYS,
    ),
    Case(
        "two days in one run, a frame each",
        [(RUN_OF_DAYS, lambda: {FIRST: of_day(FIRST, value=[1]), SECOND: of_day(SECOND, value=[2])})],
        [{"value": 1}, {"value": 2}],
        DAYS,
    ),
]
GROUPS = {
    "Types": TYPES,
    "Frames": FRAMES,
    "A day, and another type or other columns on the next": CHANGES,
    "Partitions": PARTITIONS,
}
