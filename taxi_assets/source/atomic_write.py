"""Atomic write of a fetched file: a temporary file is filled, verified, and then renamed.

A killed process leaves a hidden temporary folder, never a partial file under the final name.
"""

import errno
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from taxi_assets.errors import BadFile, StoreUnavailable
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.source.base import RemoteFile
from taxi_assets.source.verify import verify_parquet, verify_shapes, verify_zones

_VERIFY = {".parquet": verify_parquet, ".csv": verify_zones, ".zip": verify_shapes}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def write_atomically(path: str, folder: Path, write: Callable[[Path], RemoteFile]) -> RawFile:
    """Write a file under a temporary name, verify it by its suffix, and rename it.

    Args:
        path: the file's path at the source; its last part is the final name.
        folder: created if missing. It holds the complete file or, after an error, no new file.
        write: writes the bytes to the path that it gets, and returns the source's metadata of the file.

    Returns:
        the file with its size, SHA-256 and row count.

    Raises:
        BadFile: the bytes are not a complete file of the kind that the suffix says.
        StoreUnavailable: the disk is full.
    """
    final = folder / PurePosixPath(path).name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a rename is atomic within one file system only.
        with TemporaryDirectory(prefix=".arriving-", dir=folder) as temporary:
            part = Path(temporary) / final.name
            published = write(part)
            rows = _verified(part, published.url)
            file = RawFile(
                path=final,
                url=published.url,
                size=part.stat().st_size,
                sha256=sha256_of(part),
                rows=rows,
                etag=published.etag,
                last_modified=published.last_modified,
            )
            part.replace(final)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StoreUnavailable(
                f"{folder} is full while {final.name} is written: make room and run again"
            ) from error
        raise
    return file


def _verified(part: Path, url: str) -> int:
    try:
        return _VERIFY[part.suffix](part)
    except BadFile as error:
        raise BadFile(f"{error} (it came from {url})") from error
