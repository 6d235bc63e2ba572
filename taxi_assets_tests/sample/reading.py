"""An independent reading of a month's file: plain Python, row by row, with nothing of the generator or of cleaning."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_assets.catalog import DATASETS, DEFAULT_RULES, Column, Dataset
from taxi_assets.month import Month
from taxi_assets.sample import write_month

Row = dict[str, Any]

ERAS = [(dataset, era.since) for dataset in DATASETS for era in dataset.eras]
ERA_NAMES = [f"{dataset.name} {month}" for dataset, month in ERAS]

_SAME_TRIP = ("vendor_id", "pickup_datetime", "dropoff_datetime", "pickup_location_id", "dropoff_location_id")
_UNREADABLE = object()
_DAY = timedelta(days=1)


def source_rows(path: Path) -> list[Row]:
    """The rows of the file under TLC's own names."""
    table = pq.read_table(path)
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):  # nanoseconds would come out as objects of pandas
            table = table.set_column(index, field.name, table[index].cast(pa.timestamp("us")))
    return list(table.to_pylist())


class Reading:
    """A month's file, read.

    Attributes:
        dataset: whose file it is.
        month: which month's.
        rows: canonical name -> value, None where the row has none or it cannot be read.
        broken: for each row the names of the rules it breaks.
    """

    def __init__(self, dataset: Dataset, month: Month, path: Path) -> None:
        self.dataset, self.month = dataset, month
        given = source_rows(path)
        readers = [
            (one.column, one.source, _reader(dataset.column(one.column)))
            for one in dataset.era(month).fields
            if one.column
        ]
        values = [{name: read(row[source]) for name, source, read in readers} for row in given]
        self.rows = [{name: None if value is _UNREADABLE else value for name, value in row.items()} for row in values]
        self.broken = [_broken_alone(dataset, month, row) for row in self.rows]
        refunds = {_trip(row, -1) for row in self.rows if (row.get("total_amount") or 0) < 0}
        seen = set()
        for row, raw, read, broken in zip(self.rows, given, values, self.broken, strict=True):
            if _UNREADABLE in read.values():
                broken.add("unreadable_value")
            if (row.get("total_amount") or 0) > 0 and _trip(row, 1) in refunds:
                broken.add("voided_trip")
            everything = tuple(raw[source] for _, source, _ in readers)
            if everything in seen:
                broken.add("duplicate")
            seen.add(everything)

    @classmethod
    def of_sample(cls, dataset: Dataset, month: Month, rows: int, folder: Path) -> "Reading":
        """A sample month, written into the folder and read."""
        path = folder / dataset.file_name(month)
        write_month(dataset, month, path, rows=rows)
        return cls(dataset, month, path)

    def breaking(self, rule: str) -> list[Row]:
        """The rows that break the rule."""
        return [row for row, broken in zip(self.rows, self.broken, strict=True) if rule in broken]

    @property
    def clean(self) -> list[Row]:
        """The rows that break no default rule."""
        return [row for row, broken in zip(self.rows, self.broken, strict=True) if not broken & set(DEFAULT_RULES)]

    def counts(self) -> dict[str, int]:
        """Default rule -> rows that break it first; other rule -> rows that break it and no default rule."""
        counts: Counter[str] = Counter()
        for broken in self.broken:
            first = next((rule for rule in DEFAULT_RULES if rule in broken), None)
            counts.update([first] if first else broken)
        return dict(counts)


def _reader(column: Column) -> Callable[[Any], Any]:
    """What turns a value of the file into the column's, None or _UNREADABLE."""
    codes = {text.lower(): code for text, code in column.value_mapping.items()}
    plain: Callable[[Any], Any]
    if pa.types.is_string(column.type):
        plain = _text
    elif pa.types.is_timestamp(column.type):
        plain = _time
    elif pa.types.is_floating(column.type):
        plain = float
    else:
        plain = partial(_whole, 2 ** (column.type.bit_width - 1))

    def read(value: Any) -> Any:
        text = str(value).strip().lower() if codes or isinstance(value, str) else None
        if value is None or text == "":
            return None
        return codes[text] if text in codes else plain(value)

    return read


def _text(value: Any) -> Any:
    return str(value).strip()


def _time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return _UNREADABLE


def _whole(limit: int, value: Any) -> Any:
    try:
        number = float(value)
    except ValueError:
        return _UNREADABLE
    return int(number) if number.is_integer() and -limit <= number < limit else _UNREADABLE


def _trip(row: Row, sign: int) -> tuple[Any, ...]:
    return (*(row.get(name) for name in _SAME_TRIP), sign * round(row["total_amount"] * 100))


def _broken_alone(dataset: Dataset, month: Month, row: Row) -> set[str]:
    """The rules that a row breaks whatever the other rows are."""
    pickup, dropoff = row["pickup_datetime"], row["dropoff_datetime"]
    broken = set()
    if pickup is None or (dropoff is None and dataset.name != "fhv"):
        broken.add("missing_time")
    if pickup and not _first(month) - _DAY <= pickup < _first(month.plus(1)) + _DAY:
        broken.add("stray_month")
    if pickup and dropoff and dropoff < pickup:
        broken.add("negative_duration")
    if pickup and dropoff and dropoff - pickup > _DAY:
        broken.add("impossible_duration")
    zones = (row.get("pickup_location_id"), row.get("dropoff_location_id"))
    if any(zone is not None and not 1 <= zone <= 265 for zone in zones):
        broken.add("unknown_zone")
    if row.get("total_amount", 0) < 0:
        broken.add("negative_amount")
    if "passenger_count" in row and not row["passenger_count"]:
        broken.add("no_passengers")
    return broken | _broken_by_distance(dataset, row)


def _broken_by_distance(dataset: Dataset, row: Row) -> set[str]:
    if dataset.distance is None:
        return set()
    miles = row[dataset.distance]
    if miles < 0 or miles > 500:
        return {"impossible_distance"}
    return set() if miles else {"no_distance"}


def _first(month: Month) -> datetime:
    return datetime.combine(month.first_day, datetime.min.time())
