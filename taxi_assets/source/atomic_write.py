"""The last step of every fetch: nothing that is not whole appears under a file's own name."""

import errno
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from taxi_assets.errors import BadFile, StoreUnavailable
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.source.base import RemoteFile
from taxi_assets.source.verify import verify_parquet, verify_shapes, verify_zones

_VERIFY = {".parquet": verify_parquet, ".csv": verify_zones, ".zip": verify_shapes}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def write_atomically(path: str, folder: Path, write: Callable[[Path], RemoteFile]) -> RawFile:
    """Have a file written under a temporary name, verify it, and only then give it its own name.

    Args:
        path: the file's path at the source; its last part is the name it gets.
        folder: made where it does not exist. Whatever happens, nothing but the whole file is left in it.
        write: writes the file and returns what the source told about it.

    Raises:
        BadFile: what was written is not what the name promises.
        StoreUnavailable: the disk is full.
    """
    final = folder / PurePosixPath(path).name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the same folder, since a rename is atomic within one file system only.
        with TemporaryDirectory(prefix=".arriving-", dir=folder) as arriving:
            part = Path(arriving) / final.name
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
        if error.errno in _FULL:
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
