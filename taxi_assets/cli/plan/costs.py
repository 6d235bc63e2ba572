"""Expected cost of loading months: bytes to download, rows, seconds of runs, bytes in BigQuery.

Numbers that cannot be known are None: a source that generates its files states no size, and where nothing was loaded
yet there is no run whose duration counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from taxi_assets.catalog import Dataset, published_rows
from taxi_assets.cli.plan.download_sizes import MonthOf
from taxi_assets.cli.plan.earlier_loads import EarlierLoads
from taxi_assets.month import Month

# https://cloud.google.com/bigquery/pricing#data: 8 bytes a number or time, 2 and the text's own bytes a string; NULL
# has none. TLC's texts are flags of one letter and licence numbers of six.
_BYTES_OF_A_VALUE, _BYTES_OF_A_TEXT = 8, 6
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Cost:
    """The expected cost of loading one or more months.

    Attributes:
        files: number of source files.
        download_bytes: of the files.
        is_estimated: whether the bytes of some files are estimated.
        rows: in the files.
        seconds: of the runs, one after the other.
        bigquery_bytes: of the rows in BigQuery; None where the warehouse is another one.
    """

    files: int
    download_bytes: int | None
    is_estimated: bool
    rows: int | None
    seconds: float | None
    bigquery_bytes: int | None


def total(costs: Iterable[Cost]) -> Cost:
    """The sum; a number is None where it is None in each."""
    each = list(costs)
    return Cost(
        files=sum(one.files for one in each),
        download_bytes=_sum(one.download_bytes for one in each),
        is_estimated=any(one.is_estimated for one in each),
        rows=_sum(one.rows for one in each),
        seconds=_sum(one.seconds for one in each),
        bigquery_bytes=_sum(one.bigquery_bytes for one in each),
    )


class CostEstimator:
    """Estimates the cost of a month.

    Args:
        sizes: bytes of files as the source states them, by dataset and month.
        earlier: earlier loads.
        wanted: the months whose cost is asked for.
        synthetic: whether the source's files are synthetic, so that TLC's row counts do not hold.
        in_bigquery: whether the warehouse is BigQuery.
    """

    def __init__(
        self,
        sizes: Mapping[tuple[str, Month], int],
        earlier: EarlierLoads,
        wanted: Sequence[MonthOf],
        *,
        synthetic: bool,
        in_bigquery: bool,
    ) -> None:
        self._sizes = sizes
        self._earlier = earlier
        self._synthetic = synthetic
        self._in_bigquery = in_bigquery
        self._bytes_per_row = self._measured_bytes_per_row(wanted)

    def cost(self, dataset: Dataset, month: Month) -> Cost:
        """The expected cost of the month."""
        rows = self._rows(dataset, month)
        size, is_estimated = self._bytes(dataset, month, rows)
        return Cost(
            files=1,
            download_bytes=size,
            is_estimated=is_estimated,
            rows=rows,
            seconds=None if rows is None else self._earlier.seconds(dataset, rows),
            bigquery_bytes=rows * _bigquery_bytes_per_row(dataset, month) if rows and self._in_bigquery else None,
        )

    def _rows(self, dataset: Dataset, month: Month) -> int | None:
        recorded = self._earlier.file(dataset, month).rows
        published = None if self._synthetic else published_rows(dataset, month)
        return next(
            (rows for rows in (recorded, published) if rows is not None), self._earlier.rows_nearby(dataset, month)
        )

    def _bytes(self, dataset: Dataset, month: Month, rows: int | None) -> tuple[int | None, bool]:
        stated = self._sizes.get((dataset.name, month))
        if stated is not None:
            return stated, False
        if dataset.name not in self._bytes_per_row:
            return None, False
        recorded = self._earlier.file(dataset, month).bytes
        if recorded is not None:
            return recorded, True
        return (None, False) if rows is None else (round(rows * self._bytes_per_row[dataset.name]), True)

    def _measured_bytes_per_row(self, wanted: Sequence[MonthOf]) -> Mapping[str, float]:
        """Dataset -> bytes of the files whose size the source states, per row."""
        sums: dict[str, tuple[int, int]] = {}
        for dataset, month in wanted:
            size, rows = self._sizes.get((dataset.name, month)), self._rows(dataset, month)
            if size is not None and rows:
                bytes_, rows_ = sums.get(dataset.name, (0, 0))
                sums[dataset.name] = bytes_ + size, rows_ + rows
        return {name: bytes_ / rows_ for name, (bytes_, rows_) in sums.items()}


def _bigquery_bytes_per_row(dataset: Dataset, month: Month) -> int:
    kinds = [column.type for column in dataset.columns if dataset.has_values(column.name, month)]
    texts = len([kind for kind in kinds if pa.types.is_string(kind)])
    identity = 2  # the month and the position of the row
    return (len(kinds) - texts + identity) * _BYTES_OF_A_VALUE + texts * _BYTES_OF_A_TEXT


def _sum(values: Iterable[_Number | None]) -> _Number | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known else None
