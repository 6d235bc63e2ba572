"""Translation of the errors of disks and files, shared by all stores: each writes at least temporary files."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from taxi_assets.errors import SliceDamaged, SliceMissing, StoreError, StoreUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNUSABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EIO}


@contextmanager
def disk_failures(folder: Path) -> Iterator[None]:
    """Turn the errors of writing into the folder into this package's.

    Raises:
        StoreUnavailable: the disk is full.
        StoreError: the folder cannot be written, is no folder, or its disk is broken.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreUnavailable(f"no space left in {folder}: make room and run it again") from error
        if error.errno in _UNUSABLE:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
        raise


@contextmanager
def file_failures(name: Path | str) -> Iterator[None]:
    """Turn the errors of reading the Parquet file of that name into this package's.

    Raises:
        SliceMissing: it was removed since it was found.
        SliceDamaged: it cannot be read: cut short, overwritten, or without permission for this user.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise SliceMissing(f"{name} does not exist any more: materialize it again") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:  # a broken footer raises any of them
        raise damaged(name, error) from error


def damaged(name: Path | str, error: Exception) -> SliceDamaged:
    """The error for a file that cannot be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first_line = next(iter(reason.strip().splitlines()), type(error).__name__)
    return SliceDamaged(f"{name} cannot be read ({first_line.rstrip('.')}): materialize it again")
