"""Temporary folders that are removed even after a kill of their process.

A folder is locked while its process lives; the next process to create one removes those without a lock. Other files
beside them are safe: only folders with the prefix and the mark of this module are removed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "taxi-scratch-"
MARK = ".made-by-taxi-assets"


@contextlib.contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A new folder below `root` with mode 700, removed at the end; folders of dead processes are removed now."""
    root.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(root)
    folder, handle = _locked_folder(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked_folder(root: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        # Before it is locked, another process may remove it as abandoned; this one then creates another.
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH)
                (folder / MARK).touch()
            except BaseException:
                os.close(handle)
                raise
            return folder, handle


def _remove_abandoned(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        # Another user's, in the system's folder for temporary files, cannot be opened and stays.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (folder / MARK).is_file():
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    _remove_empty(folder)
            except BlockingIOError:
                continue
            finally:
                os.close(handle)


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a process that was killed before it wrote the mark; any other is not empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()
