"""Where things lie in a lake, on a disk or in a bucket.

raw/green_trips/green_tripdata_2024-01.parquet           TLC's bytes
clean/green_trips/month=2024-01/…parquet                 one file a month
.versions/clean/green_trips/month=2024-01/               what these places stand for, now and a while ago

What becomes current together, such as the three of one month, shares one folder below `.versions`.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice

MONTH_FOLDER = "month="
VERSIONS = ".versions"
CURRENT = "current"
GRACE_SECONDS = 3600  # for which a version can still be read after it was replaced


@dataclass(frozen=True)
class Group:
    """What becomes current in one step: one slice, one file, or the slices and files of a month that belong together.

    Attributes:
        name: path of the table, or of the folder, that it is called after.
        part: the month's folder, the file's name, or the table's file.
    """

    name: str
    part: str

    @property
    def folder(self) -> str:
        """Where its versions are, from the lake's root on."""
        return f"{VERSIONS}/{self.name}/{self.part}"

    def __str__(self) -> str:
        return f"{self.name} {self.part.removeprefix(MONTH_FOLDER)}"


def group_of(piece: TableSlice) -> Group:
    """The group that is called after the slice, and which it is alone in unless others join it.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    folder = inside(piece.table)
    return Group(folder, _file_name(folder) if piece.month is None else f"{MONTH_FOLDER}{piece.month}")


def group_of_file(folder: str, name: str) -> Group:
    """The group of a file that is alone in it.

    Raises:
        InvalidRequest: the path leads out of the lake.
    """
    path = PurePosixPath(inside(f"{folder}/{name}"))
    return Group(str(path.parent), path.name)


def path_of(piece: TableSlice) -> str:
    """The slice's file, from the lake's root on, by the name that does not change.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    folder = inside(piece.table)
    name = _file_name(folder)
    return f"{folder}/{name}" if piece.month is None else f"{folder}/{MONTH_FOLDER}{piece.month}/{name}"


def place_of(piece: TableSlice) -> str:
    """What is exchanged when the slice is replaced: the month's folder, or the table's file.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    path = path_of(piece)
    return path if piece.month is None else str(PurePosixPath(path).parent)


def month_of_folder(name: str) -> Month:
    """The month that a folder of that name holds."""
    return Month.parse(name.removeprefix(MONTH_FOLDER))


def inside(path: str) -> str:
    """The path, if it stays in the lake.

    Raises:
        InvalidRequest: it leads out of it.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise InvalidRequest(f"{path!r} is not a path inside the lake")
    return str(pure)


def _file_name(folder: str) -> str:
    return f"{PurePosixPath(folder).name}.parquet"
