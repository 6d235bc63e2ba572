"""The rows that the kit stores, and how it compares what it finds.

A row knows the version of its slice, so that a gap, a double or a mix of two versions shows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

KEY_COLUMN = "day"
FIRST, SECOND, THIRD = "2024-01-30", "2024-01-31", "2024-02-01"
BATCHES = 6

Row = Mapping[str, Any]

#: What is stored beside a null, and is to come back as it is.
VALUES = {
    "integers beyond 2^53": pa.array([2**53 + 1, None], pa.int64()),
    "booleans": pa.array([True, None]),
    "fractions": pa.array([0.1 + 0.2, None]),
    "texts": pa.array(["", None, """Łódź, "O'Hare" \\N, two\nlines"""]),
    "dates": pa.array([date(2024, 1, 31), None]),
    "times": pa.array([datetime(2024, 1, 31, 23, 59, 59, 999_999), None], pa.timestamp("us")),
    "instants": pa.array([datetime(2024, 7, 1, 16, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
    "decimals": pa.array([Decimal("0.10"), None], pa.decimal128(9, 2)),
    "decimals of 30 digits": pa.array([Decimal("9" * 28 + ".01"), None], pa.decimal128(30, 2)),
}
#: The column of a slice, and what the next slice brings in it: to be kept or refused, and not to be changed.
CHANGES = {
    "integers, then larger ones": (pa.array([1], pa.int16()), pa.array([2**53 + 1], pa.int64())),
    "integers, then fractions": (pa.array([1], pa.int32()), pa.array([1.5])),
    "decimals, then longer ones": (
        pa.array([Decimal("1.5")], pa.decimal128(2, 1)),
        pa.array([Decimal("123456.25")], pa.decimal128(8, 2)),
    ),
    "no value, then texts": (pa.nulls(1), pa.array(["JFK"])),
}


def of_day(day: str, **columns: Any) -> pa.Table:
    """The columns, with the day in every row."""
    table = pa.table(columns)
    start = pa.scalar(datetime.fromisoformat(day), pa.timestamp("us"))
    return table.append_column(KEY_COLUMN, pa.repeat(start, table.num_rows))


def version_of_day(day: str, version: int, rows: int) -> pa.Table:
    """A version of a slice."""
    row = pa.array(range(rows), pa.int64())
    names = pa.array([f"station {number % 265}" for number in range(rows)])
    return of_day(day, row=row, version=pa.repeat(pa.scalar(version, pa.int64()), rows), station=names)


def broken_off(table: pa.Table) -> pa.RecordBatchReader:
    """The first half of the table as a stream, and then an error."""

    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(table.to_batches(max_chunksize=max(1, table.num_rows // BATCHES))):
            if number == BATCHES // 2:
                raise RuntimeError("the stream breaks here")
            yield batch

    return pa.RecordBatchReader.from_batches(table.schema, batches())


def held_version(rows: Iterable[Row], day: str, count: int) -> int | str:
    """The version that the slice holds; or what is wrong with it, where it is not whole."""
    found = [row for row in rows if str(row[KEY_COLUMN])[:10] == day]
    versions = sorted({int(row["version"]) for row in found})
    if len(versions) == 1 and sorted(int(row["row"]) for row in found) == list(range(count)):
        return versions[0]
    return f"{len(found)} rows of {count}, of the versions {versions}"


def comparable(rows: Iterable[Row], names: Iterable[str]) -> list[tuple[str, Any]]:
    """The values of these columns and the day of each row, in any order; what is missing is None."""
    plain = [
        (str(row[KEY_COLUMN])[:10], {name: _known(row.get(name)) for name in names if name != KEY_COLUMN})
        for row in rows
    ]
    return sorted(plain, key=repr)


def expected(tables: Sequence[pa.Table]) -> tuple[list[tuple[str, Any]], list[str]]:
    """Comparable rows of the tables together, and their columns."""
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    return comparable([row for table in tables for row in table.to_pylist()], names), names


def _known(value: Any) -> Any:
    """None for what is no value in some library: NaN, NaT."""
    return None if value is not None and value != value else value  # noqa: PLR0124 - these differ from themselves
