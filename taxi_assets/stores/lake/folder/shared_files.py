"""Files of a folder lake that several runs add to, each replacing what the one before wrote."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from taxi_assets.stores.lake.folder.versions import sync
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.scratch import scratch_folder


def file_versions(folder: Path) -> Mapping[str, str]:
    """Name -> version of each file in the folder; a file that is replaced gets another version."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file():  # which follows links: those of a version that is not there yet lead nowhere
            stat = path.stat()
            found[path.name] = f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
    return found


def update_file(root: Path, path: Path, change: Callable[[bytes | None], bytes]) -> None:
    """Replace the file's content by what `change` makes of it, one process at a time; readers see either, whole.

    Raises:
        StoreUnavailable: the disk is full.
        StoreError: the folder cannot be written.
    """
    with disk_failures(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.parent):
            before = path.read_bytes() if path.exists() else None
            after = change(before)
            if after == before:
                return
            with scratch_folder(root / ".incoming") as incoming:
                written = incoming / path.name
                written.write_bytes(after)
                sync(written)
                written.replace(path)
            sync(path.parent)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Exclude all other writers of shared files in the folder; the kernel releases the lock of a killed process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
