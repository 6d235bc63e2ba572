"""Aggregates for a month's page, from its clean rows and its quarantine, as small dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.report.trip_queries import DURATION_SECONDS, charge_sql, open_rows, report_columns
from taxi_assets.stores.duckdb.sql import quoted
from taxi_assets.stores.rows import Rows

_EXAMPLES = 3
_QUARANTINE_COLUMNS = {"rule", "rules", "source_row"}  # added by cleaning; the other columns are the source file's
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # per second
_LARGEST = 1e15  # miles or dollars: values of broken meters beyond it would overflow sums and BIGINT


@dataclass(frozen=True)
class Histogram:
    """Counts of trips by a quantity, in integer multiples of a small step.

    Attributes:
        step: the step, in the quantity's unit.
        counts: multiple of the step -> trips, ascending; not empty.
    """

    step: float
    counts: Mapping[int, int]

    @property
    def median(self) -> float:
        """The median; of an even number of trips, the mean of the two in the middle."""
        total = sum(self.counts.values())
        return (self._value_at((total - 1) // 2) + self._value_at(total // 2)) / 2 * self.step

    def quantile(self, part: float) -> float:
        """The quantile for a part from 0 to 1 (the lower value, without interpolation)."""
        return self._value_at(int(part * (sum(self.counts.values()) - 1))) * self.step

    def _value_at(self, place: int) -> int:
        reached = zip(self.counts, accumulate(self.counts.values()), strict=True)
        return next(value for value, end in reached if place < end)


@dataclass(frozen=True)
class Figures:
    """Aggregates of a month's clean rows.

    Attributes:
        trips: number of rows, including pickups outside the month.
        revenue: sum of charges in US dollars; None where TLC publishes no amounts.
        miles: sum of distances; None where TLC publishes no distances.
        hours: (day, hour) -> pickups, for the days of the month.
        distance: in miles; None where no row has one.
        duration: in minutes; None where no row has both times.
        amount: charges in US dollars; None where no row has one.
        payments: payment type -> trips, descending; empty where TLC publishes no payment types.
        zones: pickup zone -> trips, descending.
    """

    trips: int
    revenue: float | None
    miles: float | None
    hours: Mapping[tuple[date, int], int]
    distance: Histogram | None
    duration: Histogram | None
    amount: Histogram | None
    payments: Mapping[int | None, int]
    zones: Mapping[int, int]

    @property
    def days(self) -> Mapping[date, int]:
        """Day -> pickups."""
        days: dict[date, int] = {}
        for (day, _), trips in self.hours.items():
            days[day] = days.get(day, 0) + trips
        return days


@dataclass(frozen=True)
class Example:
    """One quarantined row as text: source column -> value, without NULLs."""

    source_row: int
    values: Mapping[str, str]


def month_figures(rows: Rows, dataset: Dataset, month: Month, scratch: Path) -> Figures:
    """Aggregate a month's clean rows.

    Args:
        rows: the clean rows.
        dataset: the rows' dataset.
        month: the month, whose days `hours` is limited to.
        scratch: a folder for DuckDB's temporary files.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
        SliceDamaged: a file with the rows cannot be read.
    """
    with open_rows(rows, scratch, report_columns(dataset)) as connection:
        queries = _Queries(connection)
        revenue, distance = charge_sql(dataset) if dataset.charge_columns else "NULL", dataset.distance or "NULL"
        ((trips, all_revenue, miles),) = queries.rows(f"count(*), {_sum(revenue)}, {_sum(distance)}")
        return Figures(
            trips=trips,
            revenue=all_revenue,
            miles=miles,
            hours=_hours(queries, month),
            distance=queries.histogram(f"{_clamped(distance)} * 100", 0.01),
            duration=queries.histogram(DURATION_SECONDS, 1 / 60),
            amount=queries.histogram(f"{_clamped(revenue)} * 100", 0.01),
            payments=queries.counts("payment_type") if dataset.has("payment_type") else {},
            zones=queries.counts("pickup_location_id", "WHERE pickup_location_id IS NOT NULL"),
        )


def trips_by_day(rows: Rows, month: Month, scratch: Path) -> Mapping[date, int]:
    """Day of the month -> pickups, from the month's clean rows.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
        SliceDamaged: a file with the rows cannot be read.
    """
    with open_rows(rows, scratch, ["pickup_datetime"]) as connection:
        return _Queries(connection).counts("CAST(pickup_datetime AS DATE)", f"WHERE {_in_month(month)}")


def rejected_examples(quarantine: Rows, scratch: Path) -> Mapping[str, list[Example]]:
    """Rule -> the first three rows whose first broken rule it is.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
        SliceDamaged: a file with the rows cannot be read.
    """
    examples: dict[str, list[Example]] = {}
    columns = ", ".join(_as_text(field) for field in quarantine.schema if field.name not in _QUARANTINE_COLUMNS)
    first = f"SELECT rule, unnest(min(source_row, {_EXAMPLES})) AS source_row FROM rows GROUP BY rule"
    with open_rows(quarantine, scratch) as connection:
        found = connection.sql(
            f"SELECT rule, source_row, {columns} FROM rows SEMI JOIN ({first}) AS first USING (rule, source_row) "
            "ORDER BY rule, source_row"
        ).to_arrow_table()
    names = found.column_names[2:]
    texts = [_texts(column) for column in found.columns[2:]]
    for rule, row, *values in zip(found["rule"].to_pylist(), found["source_row"].to_pylist(), *texts, strict=True):
        examples.setdefault(rule, []).append(Example(row, _non_null(names, values)))
    return examples


def _as_text(field: pa.Field) -> str:
    """SQL: the column as text; timestamps uncast, since DuckDB aborts on casting values beyond its range to text."""
    name = quoted(field.name)
    return name if pa.types.is_timestamp(field.type) else f"CAST({name} AS VARCHAR) AS {name}"


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    ticks = column.cast(pa.int64()).to_pylist()
    return [None if each is None else _time_text(each, column.type.unit) for each in ticks]


def _time_text(ticks: int, unit: str) -> str:
    try:
        return str(datetime(1970, 1, 1) + timedelta(microseconds=ticks * 1_000_000 // _TICKS[unit]))
    except OverflowError:  # beyond the year 9999
        return f"{ticks} {unit} since 1970"


class _Queries:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, columns: str, rest: str = "") -> list[tuple[Any, ...]]:
        return self._connection.execute(f"SELECT {columns} FROM rows {rest}").fetchall()

    def counts(self, key: str, where: str = "") -> dict[Any, int]:
        return dict(self.rows(f"{key}, count(*)", f"{where} GROUP BY 1 ORDER BY 2 DESC, 1"))

    def histogram(self, steps: str, step: float) -> Histogram | None:
        value = f"CAST(round({steps}) AS BIGINT)"
        counts = self.rows(f"{value}, count(*)", f"WHERE {value} IS NOT NULL GROUP BY 1 ORDER BY 1")
        return Histogram(step, dict(counts)) if counts else None


def _sum(value: str) -> str:
    return f"sum({value}) FILTER (abs({value}) <= {_LARGEST})"


def _clamped(value: str) -> str:
    """SQL: the value clamped to ±`_LARGEST`; NULL stays NULL."""
    return f"CASE WHEN ({value}) IS NOT NULL THEN greatest(least({value}, {_LARGEST}), {-_LARGEST}) END"


def _hours(queries: _Queries, month: Month) -> dict[tuple[date, int], int]:
    columns = "CAST(pickup_datetime AS DATE), extract(hour FROM pickup_datetime), count(*)"
    found = queries.rows(columns, f"WHERE {_in_month(month)} GROUP BY 1, 2 ORDER BY 1, 2")
    return {(day, hour): trips for day, hour, trips in found}


def _in_month(month: Month) -> str:
    after = month.plus(1).first_day
    return f"pickup_datetime >= DATE '{month.first_day}' AND pickup_datetime < DATE '{after}'"


def _non_null(names: list[str], values: list[str | None]) -> dict[str, str]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
