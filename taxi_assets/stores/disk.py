"""What the errors of a disk mean; shared by the stores that write to one, be it only on the way."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taxi_assets.errors import StoreError, StoreUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def disk_failures(folder: Path) -> Iterator[None]:
    """Turn the errors of writing into the folder into ours.

    Raises:
        StoreUnavailable: the disk is full.
        StoreError: the folder may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreUnavailable(f"no space left in {folder}: make room and run it again") from error
        if error.errno in _FORBIDDEN:
            raise StoreError(f"{folder} cannot be written: {error.strerror}") from error
        raise
