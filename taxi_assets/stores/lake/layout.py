"""Where things lie in a lake, on a disk as in a bucket.

raw/green_trips/green_tripdata_2024-01.parquet           TLC's bytes
clean/green_trips/month=2024-01/green_trips.parquet      one file a month
"""

from pathlib import PurePosixPath

from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.stores.slices import Slice

MONTH_FOLDER = "month="


def path_of(piece: Slice) -> str:
    """The slice's file, from the lake's root on.

    Raises:
        InvalidRequest: the table's name leads out of the lake.
    """
    folder = inside(piece.table)
    name = f"{PurePosixPath(folder).name}.parquet"
    return f"{folder}/{name}" if piece.month is None else f"{folder}/{MONTH_FOLDER}{piece.month}/{name}"


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
