"""TLC's files by what they are: a dataset's month, the zones and their shapes."""

from pathlib import Path

from taxi_assets.catalog import SHAPES_PATH, TRIPS_FOLDER, ZONES_PATH, Dataset
from taxi_assets.errors import NotPublished, SourceUnavailable
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.source.base import Progress, Source
from taxi_assets.source.factory import TLC_CDN

_MAX_PROBES = 36


def month_path(dataset: Dataset, month: Month) -> str:
    """Where the month's file is, relative to the CDN's root: the `path` of `Source.head` and `Source.fetch`."""
    return f"{TRIPS_FOLDER}/{dataset.file_name(month)}"


def fetch_month(
    source: Source, dataset: Dataset, month: Month, folder: Path, progress: Progress | None = None
) -> RawFile:
    """Put the month's file into the folder, whole and verified, or not at all.

    Raises:
        InvalidRequest: the month lies before the dataset's first.
        NotPublished: the source does not have the month (yet); the text names the last one it has.
        SourceUnavailable: the source does not answer, or stopped in the middle.
        BadFile: what the source sent is not a whole Parquet file.
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
    """Put the taxi zone lookup into the folder, whole and verified, or not at all.

    Raises:
        NotPublished: the source has no zone lookup.
        SourceUnavailable: the source does not answer, or stopped in the middle.
        BadFile: what the source sent is not the zone lookup.
        StoreUnavailable: the disk is full.
    """
    return source.fetch(ZONES_PATH, folder, progress)


def fetch_zone_shapes(source: Source, folder: Path, progress: Progress | None = None) -> RawFile:
    """Put the shapes of the taxi zones into the folder, whole and verified, or not at all.

    Raises:
        NotPublished: the source has no such file.
        SourceUnavailable: the source does not answer, or stopped in the middle.
        BadFile: what the source sent is not a zipped shapefile.
        StoreUnavailable: the disk is full.
    """
    return source.fetch(SHAPES_PATH, folder, progress)


def last_published(source: Source, dataset: Dataset, before: Month) -> Month | None:
    """The last month the source has before that one, going back 36 months at most; None where it has none of them.

    A month in the future is looked for from today's month on.

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
    """The months that the source has, by a few requests.

    A folder is listed. A server is asked for its last month, and taken to have every month up to that, as TLC has.

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
    """The month's file as CSV, packed or not, in a folder that can be listed."""
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
