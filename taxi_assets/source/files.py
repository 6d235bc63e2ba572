"""Fetch TLC's files by dataset and month, the zone lookup and the zone shapes, and find the published months."""

from pathlib import Path

from taxi_assets.catalog import SHAPES_PATH, TRIPS_FOLDER, ZONES_PATH, Dataset
from taxi_assets.errors import NotPublished, SourceUnavailable
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.settings import TLC_CDN
from taxi_assets.source.base import Progress, Source

_MAX_PROBES = 36  # HEAD requests


def month_path(dataset: Dataset, month: Month) -> str:
    """The path of the month's file relative to the CDN's root, for `Source.head` and `Source.fetch`."""
    return f"{TRIPS_FOLDER}/{dataset.file_name(month)}"


def fetch_month(
    source: Source, dataset: Dataset, month: Month, folder: Path, progress: Progress | None = None
) -> RawFile:
    """Write the month's file to the folder, atomically and after verification.

    Raises:
        InvalidRequest: the month is before the dataset's first.
        NotPublished: the source does not have the month (yet); the text names its last month.
        SourceUnavailable: the source does not answer, or the transfer broke off.
        BadFile: the bytes are not a complete Parquet file.
        StoreUnavailable: the disk is full.
    """
    dataset.era(month)
    try:
        return source.fetch(month_path(dataset, month), folder, progress)
    except NotPublished as error:
        raise NotPublished(
            f"{source.url} has not published {dataset.name} {month}{_availability_hint(source, dataset, month)}"
        ) from error


def fetch_zones(source: Source, folder: Path, progress: Progress | None = None) -> RawFile:
    """Write the taxi zone lookup to the folder, atomically and after verification.

    Raises:
        NotPublished: the source has no zone lookup.
        SourceUnavailable: the source does not answer, or the transfer broke off.
        BadFile: the bytes are not the complete zone lookup.
        StoreUnavailable: the disk is full.
    """
    return source.fetch(ZONES_PATH, folder, progress)


def fetch_zone_shapes(source: Source, folder: Path, progress: Progress | None = None) -> RawFile:
    """Write the shapefile of the taxi zones to the folder, atomically and after verification.

    Raises:
        NotPublished: the source has no such file.
        SourceUnavailable: the source does not answer, or the transfer broke off.
        BadFile: the bytes are not a complete zipped shapefile.
        StoreUnavailable: the disk is full.
    """
    return source.fetch(SHAPES_PATH, folder, progress)


def last_published(source: Source, dataset: Dataset, before: Month) -> Month | None:
    """The last published month before that one, among 36 months at most; None where none of them is published.

    The search begins no later than with today's month, by one HEAD request a month.

    Raises:
        SourceUnavailable: the source does not answer.
    """
    newest = min(before.plus(-1), Month.current())
    oldest = max(newest.plus(1 - _MAX_PROBES), dataset.first_month)
    for month in reversed(list(oldest.until(newest))):
        if source.head(month_path(dataset, month)) is not None:
            return month
    return None


def published_months(source: Source, dataset: Dataset) -> set[Month]:
    """The months that the source has published, without a request for each.

    A folder is listed. For a server the last month is searched, and all earlier months are assumed, as TLC has them.

    Raises:
        SourceUnavailable: the source does not answer.
    """
    today = Month.current()
    names = source.names(TRIPS_FOLDER)
    if names is not None:
        return {month for month in dataset.first_month.until(today) if dataset.file_name(month) in names}
    last = last_published(source, dataset, before=today.plus(1))
    return set() if last is None else set(dataset.first_month.until(last))


def _csv_name(source: Source, dataset: Dataset, month: Month) -> str | None:
    """The name of the month's file as CSV, compressed or not, in a source that lists folders."""
    stem = dataset.file_name(month).removesuffix(".parquet").lower()
    names = source.names(TRIPS_FOLDER) or set()
    return next((name for name in sorted(names) if name.lower().startswith(f"{stem}.csv")), None)


def _availability_hint(source: Source, dataset: Dataset, month: Month) -> str:
    try:
        csv = _csv_name(source, dataset, month)
        if csv is not None:
            return (
                f" as Parquet: it has {csv}, in the format that TLC gave up in May 2022, when it published every month"
                f" anew; put {dataset.file_name(month)} there, or take it from TLC itself (--source {TLC_CDN})"
            )
        last = last_published(source, dataset, before=month)
    except SourceUnavailable:
        return "; try again later"
    if last is None:
        return ", nor any month shortly before it; check the source's address"
    return f": the last month before it is {last}; a month comes out about two months after its end"
