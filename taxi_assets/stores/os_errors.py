"""What the errors of a disk and of its files mean; shared by the stores that use one, be it only on the way."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from taxi_assets.errors import SliceDamaged, SliceMissing, StoreError, StoreUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNFIT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EIO}


@contextmanager
def disk_failures(folder: Path) -> Iterator[None]:
    """Turn the errors of writing into the folder into ours.

    Raises:
        StoreUnavailable: the disk is full.
        StoreError: the folder may not be written, is none, or its disk is broken.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreUnavailable(f"no space left in {folder}: make room and run it again") from error
        if error.errno in _UNFIT:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
        raise


@contextmanager
def file_failures(name: Path | str) -> Iterator[None]:
    """Turn the errors of reading the Parquet file of that name into ours.

    Raises:
        SliceMissing: it was removed in the meantime.
        SliceDamaged: it cannot be read: cut short, overwritten, or closed to this user.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise SliceMissing(f"{name} is not there any more: materialize it again") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:  # a broken footer is any of them
        raise damaged(name, error) from error


def damaged(name: Path | str, error: Exception) -> SliceDamaged:
    """What a file that cannot be read is told as."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first_line = next(iter(reason.strip().splitlines()), type(error).__name__)
    return SliceDamaged(f"{name} cannot be read ({first_line.rstrip('.')}): materialize it again")
