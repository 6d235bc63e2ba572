"""Sizes of source files by HEAD requests, several at a time and a limited number."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from taxi_assets.catalog import Dataset
from taxi_assets.errors import SourceUnavailable
from taxi_assets.month import Month
from taxi_assets.source import Source

MAX_REQUESTS = 48  # a plan of more files is estimated by as many of them
_AT_A_TIME = 16

MonthOf = tuple[Dataset, Month]


def download_sizes(source: Source, wanted: Sequence[MonthOf]) -> tuple[Mapping[tuple[str, Month], int], str | None]:
    """Bytes of the months' files by dataset and month, and the error where the source does not answer.

    Of many files only some are asked for, evenly over the sequence. A source that generates its files states no size.
    """
    from taxi_assets.source import month_path

    step = max(1, -(-len(wanted) // MAX_REQUESTS))
    asked = wanted[::step]
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        answers = [(one, threads.submit(source.head, month_path(*one))) for one in asked]
    sizes, error = {}, None
    for (dataset, month), answer in answers:
        try:
            file = answer.result()
        except SourceUnavailable as unavailable:
            error = str(unavailable)
            continue
        if file is not None and file.size is not None:
            sizes[dataset.name, month] = file.size
    return sizes, error
