"""Temporary folders that clean up after processes that could not.

A folder is locked for as long as its owner lives; whoever opens the next one removes those that nobody holds any more,
so that a process killed half-way leaves nothing behind for good. What lies beside them is somebody else's: only folders
that bear the name and hold the mark that are given here are ever removed.
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
    """A new folder below `root`, for its owner's eyes only, removed at the end with those of processes that died."""
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
        # Until it is locked, another process may take it for abandoned and remove it: then this one makes another.
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
        # Another user's, in the system's folder for temporary files, cannot be opened and is none of our business.
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
    """Remove the folder of a process that was killed before it made its mark; one that holds anything is not ours."""
    with contextlib.suppress(OSError):
        folder.rmdir()
