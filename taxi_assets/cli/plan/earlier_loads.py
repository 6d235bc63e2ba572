"""Earlier loads, from an audit table and Dagster's runs: rows and bytes of source files, and how long a run takes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

import dagster as dg

from taxi_assets.catalog import Dataset
from taxi_assets.errors import TaxiError
from taxi_assets.month import Month
from taxi_assets.stores.factory import LOAD_LOG
from taxi_assets.stores.load_log import Readable

_COLUMNS = ["table_name", "source_month", "run_id", "finished_at", "source_rows", "source_bytes"]
_NEWEST_RUNS = 50  # that a run's duration is estimated by


@dataclass(frozen=True)
class SourceFile:
    """Rows and bytes of a source file that was loaded before; None where the audit table lacks them."""

    rows: int | None
    bytes: int | None


class EarlierLoads:
    """The loads that an audit table records, newest last.

    Args:
        lines: of the audit table, for any tables.
        instance: the Dagster instance with their runs.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]], instance: dg.DagsterInstance) -> None:
        in_order = sorted(lines, key=lambda line: line["finished_at"])
        self._files: dict[str, dict[Month, SourceFile]] = {}
        self._rows: dict[str, dict[str, int]] = {}  # table -> run -> rows of its file
        for line in in_order:
            if line["source_month"] is None or line["source_rows"] is None:
                continue
            table, rows = line["table_name"], line["source_rows"]
            month = Month.of(line["source_month"])
            self._files.setdefault(table, {})[month] = SourceFile(rows, line["source_bytes"])
            self._rows.setdefault(table, {})[line["run_id"]] = rows
        self._instance = instance
        self._rates: dict[str, tuple[float, float] | None] = {}

    def file(self, dataset: Dataset, month: Month) -> SourceFile:
        """The file that the month was loaded from last."""
        return self._files.get(dataset.table, {}).get(month, SourceFile(None, None))

    def rows_nearby(self, dataset: Dataset, month: Month) -> int | None:
        """The rows of the nearest month that was loaded; None where none was."""
        files = self._files.get(dataset.table, {})
        nearest = min(files, key=lambda other: _distance(month, other), default=None)
        return None if nearest is None else files[nearest].rows

    def seconds(self, dataset: Dataset, rows: int) -> float | None:
        """The expected duration of a run for so many rows, by the newest runs of the dataset, or else of the others.

        None where nothing was loaded yet, or Dagster has forgotten its runs.
        """
        for table in (dataset.table, *self._rows):
            if table not in self._rates:
                self._rates[table] = self._rate(table)
            rate = self._rates[table]
            if rate is not None:
                fixed, each = rate
                return fixed + each * rows
        return None

    def _rate(self, table: str) -> tuple[float, float] | None:
        """Seconds of any run, and seconds for each row."""
        rows = dict(list(self._rows.get(table, {}).items())[-_NEWEST_RUNS:])
        if not rows:
            return None
        wanted = dg.RunsFilter(run_ids=list(rows), statuses=[dg.DagsterRunStatus.SUCCESS])
        timed = [
            (rows[record.dagster_run.run_id], record.end_time - record.start_time)
            for record in self._instance.get_run_records(wanted)
            if record.start_time is not None and record.end_time is not None
        ]
        return _fit(timed)


def read_earlier_loads(
    stores: Mapping[str, Callable[[], Readable]], instance: dg.DagsterInstance, names: Sequence[str]
) -> EarlierLoads:
    """The loads by the audit table of the first of these stores that answers and has one."""
    for name in names:
        try:
            rows = stores[name]().read(LOAD_LOG)
            if set(_COLUMNS) <= set(rows.schema.names):
                lines = [line for batch in rows.batches() for line in batch.select(_COLUMNS).to_pylist()]
                return EarlierLoads(lines, instance)
        except TaxiError:
            continue
    return EarlierLoads((), instance)


def _fit(timed: Sequence[tuple[int, float]]) -> tuple[float, float] | None:
    """The straight line through rows and seconds; without differences in size, seconds are in proportion to rows."""
    total = sum(rows for rows, _ in timed)
    if not timed or not total:
        return None
    if len({rows for rows, _ in timed}) > 1:
        each, fixed = linear_regression([rows for rows, _ in timed], [seconds for _, seconds in timed])
        if each >= 0 and fixed >= 0:
            return fixed, each
    return 0.0, sum(seconds for _, seconds in timed) / total


def _distance(one: Month, other: Month) -> int:
    return abs((one.year - other.year) * 12 + one.number - other.number)
