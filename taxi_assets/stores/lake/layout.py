"""Paths in a lake, the same on a disk and in a bucket.

green/raw_trips/green_tripdata_2024-01.parquet           TLC's bytes
green/clean_trips/month=2024-01/…parquet                 one file for each month
.versions/green/clean_trips/month=2024-01/               the current version of these places, and recent ones

A group becomes current in one step, such as the four assets of a month, and has one folder below `.versions`.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice

MONTH_FOLDER = "month="
VERSIONS = ".versions"
CURRENT = "current"
GRACE_SECONDS = 3600  # a version stays readable for so long after its replacement


@dataclass(frozen=True)
class Group:
    """Slices and files that become current in one step: one of them, or those of one month.

    Attributes:
        name: path of the table, or of the folder, that gives the group its name.
        part: the month's folder, the file's name, or the table's file.
    """

    name: str
    part: str

    @property
    def folder(self) -> str:
        """Where its versions are, relative to the lake."""
        return f"{VERSIONS}/{self.name}/{self.part}"

    def __str__(self) -> str:
        return f"{self.name} {self.part.removeprefix(MONTH_FOLDER)}"


def group_of(piece: TableSlice) -> Group:
    """The group named after the slice, which is its only member unless others join.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    folder = inside(piece.table)
    return Group(folder, _file_name(folder) if piece.month is None else f"{MONTH_FOLDER}{piece.month}")


def group_of_file(folder: str, name: str) -> Group:
    """The group of a file that is its only member.

    Raises:
        InvalidRequest: the path leads out of the lake.
    """
    path = PurePosixPath(inside(f"{folder}/{name}"))
    return Group(str(path.parent), path.name)


def path_of(piece: TableSlice) -> str:
    """The slice's file, relative to the lake, under its public name.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    folder = inside(piece.table)
    name = _file_name(folder)
    return f"{folder}/{name}" if piece.month is None else f"{folder}/{MONTH_FOLDER}{piece.month}/{name}"


def place_of(piece: TableSlice) -> str:
    """The path that a replacement exchanges, relative to the lake: the month's folder, or the table's file.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    path = path_of(piece)
    return path if piece.month is None else str(PurePosixPath(path).parent)


def month_of_folder(name: str) -> Month:
    """The month of a folder of that name."""
    return Month.parse(name.removeprefix(MONTH_FOLDER))


def inside(path: str) -> str:
    """The path, normalized.

    Raises:
        InvalidRequest: it leads out of the lake.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise InvalidRequest(f"{path!r} is not a path inside the lake")
    return str(pure)


def _file_name(folder: str) -> str:
    return f"{PurePosixPath(folder).name}.parquet"
