"""The sample as a source: it publishes what TLC's CDN does, under the same paths."""

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.catalog import DATASETS, SHAPES_PATH, TRIPS_FOLDER, ZONES_PATH, Dataset, dataset_named
from taxi_assets.errors import InvalidRequest, NotPublished
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.sample.defect_plan import DEFAULT_ROWS
from taxi_assets.sample.write import write_month
from taxi_assets.sample.zone_lookup import write_zones
from taxi_assets.sample.zone_shapes import write_zone_shapes

if TYPE_CHECKING:
    from taxi_assets.source.base import Progress, RemoteFile

SAMPLE_LAST_MONTH = Month(2025, 12)

_VERSION = 2  # one more whenever the same file comes out with other bytes
_ZONE_FILES = {ZONES_PATH: write_zones, SHAPES_PATH: write_zone_shapes}
_TRIPS_PATH = re.compile(rf"{TRIPS_FOLDER}/([a-z]+)_tripdata_([0-9-]+)\.parquet")


class SampleSource:
    """Files made on the spot, of any dataset and any month up to `SAMPLE_LAST_MONTH`.

    Attributes:
        url: what stands for this source in `TAXI_SOURCE`.
    """

    url = "sample"

    def __init__(self, rows: int = DEFAULT_ROWS) -> None:
        self._rows = rows

    def head(self, path: str) -> "RemoteFile | None":
        """What identifies the file; None where the sample has no such file."""
        from taxi_assets.source.base import RemoteFile

        if path not in _ZONE_FILES and _month_at(path) is None:
            return None
        identity = sha256(f"{_VERSION} {path} {self._rows}".encode()).hexdigest()
        return RemoteFile(url=f"{self.url}/{path}", etag=f'"{identity[:32]}"')

    def names(self, folder: str) -> None:
        """The sample has no folders to list."""

    def fetch(self, path: str, folder: Path, progress: "Progress | None" = None) -> RawFile:
        """Make the file and put it into the folder under its own name, whole or not at all.

        Raises:
            NotPublished: the sample has no such file.
            InvalidRequest: a month of that many rows cannot be made.
            StoreUnavailable: the disk is full.
        """
        from taxi_assets.source.atomic_write import write_atomically

        published = self.head(path)
        if published is None:
            raise NotPublished(
                f"the sample source has no {path}: it has {' and '.join(_ZONE_FILES)} and, of every dataset, each month"
                f" from the first one TLC published to {SAMPLE_LAST_MONTH}"
            )

        def make(part: Path) -> "RemoteFile":
            trips = _month_at(path)
            if trips is None:
                _ZONE_FILES[path](part)
            else:
                write_month(*trips, part, rows=self._rows)
            if progress is not None:
                size = part.stat().st_size
                progress(part.name, size, size)
            return published

        return write_atomically(path, folder, make)


def write_tree(
    folder: Path, *, rows: int = DEFAULT_ROWS, months: Iterable[tuple[Dataset, Month]] | None = None
) -> list[Path]:
    """Write months and the files of the zones into a folder laid out like TLC's CDN, and return their paths.

    Args:
        folder: made where it does not exist.
        rows: of each month.
        months: the first month of each era of each dataset where it is left out, so that every form is there.

    Raises:
        NotPublished: a month lies before its dataset's first, or after `SAMPLE_LAST_MONTH`.
        InvalidRequest: a month of that many rows cannot be made.
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
