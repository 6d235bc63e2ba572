"""Source: synthetic files under the paths of TLC's CDN, generated on request."""

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from taxi_assets.catalog import DATASETS, SHAPES_PATH, TRIPS_FOLDER, ZONES_PATH, Dataset, dataset_named
from taxi_assets.errors import InvalidRequest, NotPublished
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.sample.defect_plan import DEFAULT_ROWS
from taxi_assets.sample.write import write_month
from taxi_assets.sample.zone_lookup import write_zones
from taxi_assets.sample.zone_shapes import write_zone_shapes
from taxi_assets.source.atomic_write import write_atomically
from taxi_assets.source.base import Progress, RemoteFile
from taxi_assets.source.synthetic import SAMPLE

SAMPLE_LAST_MONTH = Month(2025, 12)

_VERSION = 2  # part of each ETag; increase it with every change of the files' bytes
_ZONE_FILES = {ZONES_PATH: write_zones, SHAPES_PATH: write_zone_shapes}
_TRIPS_PATH = re.compile(rf"{TRIPS_FOLDER}/([a-z]+)_tripdata_([0-9-]+)\.parquet")


class SampleSource:
    """Synthetic files of any dataset and of any month up to `SAMPLE_LAST_MONTH`.

    Attributes:
        url: the value of `TAXI_SOURCE` for this source.
    """

    url = SAMPLE

    def __init__(self, rows: int = DEFAULT_ROWS) -> None:
        self._rows = rows

    def head(self, path: str) -> RemoteFile | None:
        """The file's URL and an ETag made from path, rows and version; None where the sample has no such file."""
        if path not in _ZONE_FILES and _month_at(path) is None:
            return None
        identity = sha256(f"{_VERSION} {path} {self._rows}".encode()).hexdigest()
        return RemoteFile(url=f"{self.url}/{path}", etag=f'"{identity[:32]}"')

    def names(self, folder: str) -> None:
        """None: the sample lists no folders."""

    def fetch(self, path: str, folder: Path, progress: Progress | None = None) -> RawFile:
        """Generate the file and write it to the folder atomically.

        Raises:
            NotPublished: the sample has no such file.
            InvalidRequest: the number of rows is out of range.
            StoreUnavailable: the disk is full.
        """
        published = self.head(path)
        if published is None:
            raise NotPublished(
                f"the sample source has no {path}: it has {' and '.join(_ZONE_FILES)} and, of every dataset, each month"
                f" from the first one TLC published to {SAMPLE_LAST_MONTH}"
            )

        def generate(part: Path) -> RemoteFile:
            trips = _month_at(path)
            if trips is None:
                _ZONE_FILES[path](part)
            else:
                write_month(*trips, part, rows=self._rows)
            if progress is not None:
                size = part.stat().st_size
                progress(part.name, size, size)
            return published

        return write_atomically(path, folder, generate)


def write_tree(
    folder: Path, *, rows: int = DEFAULT_ROWS, months: Iterable[tuple[Dataset, Month]] | None = None
) -> list[Path]:
    """Write months and the zone files to a folder with the CDN's layout, and return their paths.

    Args:
        folder: created if missing.
        rows: of each month.
        months: None for the first month of each era of each dataset, which gives every schema once.

    Raises:
        NotPublished: a month is before its dataset's first, or after `SAMPLE_LAST_MONTH`.
        InvalidRequest: the number of rows is out of range.
        StoreUnavailable: the disk is full.
    """
    if months is None:
        months = [(dataset, era.since) for dataset in DATASETS for era in dataset.eras]
    source = SampleSource(rows)
    paths = [*(f"{TRIPS_FOLDER}/{dataset.file_name(month)}" for dataset, month in months), *_ZONE_FILES]
    return [source.fetch(path, (folder / path).parent).path for path in paths]


def _month_at(path: str) -> tuple[Dataset, Month] | None:
    match = _TRIPS_PATH.fullmatch(path)
    if match is None:
        return None
    try:
        dataset, month = dataset_named(match[1]), Month.parse(match[2])
    except InvalidRequest:
        return None
    return (dataset, month) if dataset.first_month <= month <= SAMPLE_LAST_MONTH else None
