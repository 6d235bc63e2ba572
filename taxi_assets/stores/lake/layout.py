"""Paths in a lake, the same on a disk and in a bucket.

green/raw_trips/green_tripdata_2024-01.parquet           TLC's bytes
green/clean_trips/month=2024-01/…parquet                 one file for each partition
.versions/green/clean_trips/month=2024-01/               the current version of these places, and recent ones

A group becomes current in one step, such as the four assets of a month, and has one folder below `.versions`.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.partition import Kind, Named, Partition, Window, kind_of, parse_time, text_of

VERSIONS = ".versions"
CURRENT = "current"
GRACE_SECONDS = 3600  # a version stays readable for so long after its replacement
_PREFIXES = {Kind.MONTH: "month", Kind.DATE: "date", Kind.TIME: "time", Kind.NAME: "partition"}


@dataclass(frozen=True)
class Group:
    """Slices and files that become current in one step: one of them, or those of one partition.

    Attributes:
        name: path of the table, or of the folder, that gives the group its name.
        part: the partition's folder, the file's name, or the table's file.
    """

    name: str
    part: str

    @property
    def folder(self) -> str:
        """Where its versions are, relative to the lake."""
        return f"{VERSIONS}/{self.name}/{self.part}"

    def __str__(self) -> str:
        return f"{self.name} {self.part.partition('=')[2] or self.part}"


def own_folder(table: str) -> str:
    """The folder of a table.

    Raises:
        InvalidRequest: the table's name leads out of the lake, or is the lake's own.
    """
    folder = inside(table)
    if folder.partition("/")[0] == VERSIONS:
        raise InvalidRequest(f"{table!r} is where the lake keeps versions: give the asset another key")
    return folder


def group_of(piece: TableSlice) -> Group:
    """The group named after the slice, which is its only member unless others join.

    Raises:
        InvalidRequest: the table's name leads out of the lake, or is the lake's own.
    """
    folder = own_folder(piece.table)
    return Group(folder, _file_name(folder) if piece.partition is None else folder_of(piece.partition))


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
    return f"{folder}/{name}" if piece.partition is None else f"{folder}/{folder_of(piece.partition)}/{name}"


def place_of(piece: TableSlice) -> str:
    """The path that a replacement exchanges, relative to the lake: the partition's folder, or the table's file.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    path = path_of(piece)
    return path if piece.partition is None else str(PurePosixPath(path).parent)


def folder_of(partition: Partition) -> str:
    """The name of the partition's folder: its kind and its key, for example `date=2024-01-05`."""
    text = str(partition) if isinstance(partition, Month) else text_of(partition.key)
    return f"{_PREFIXES[kind_of(partition)]}={quote(text, safe=':')}"


def partition_of_folder(name: str) -> Partition | None:
    """The partition whose folder has that name; None where it is no partition's folder."""
    prefix, _, text = name.partition("=")
    try:
        match prefix:
            case "month":
                return Month.parse(text)
            case "date":
                return Window(date.fromisoformat(text))
            case "time":
                return Window(parse_time(text))
            case "partition":
                return Named(unquote(text))
    except (ValueError, InvalidRequest):
        pass
    return None


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
