"""Temporary folders that are removed even after a kill of their process.

A folder is locked while its process lives; the next process of the same user on the same machine to create one removes
those without a lock. Other files beside them are safe: only folders with the prefix and the mark of this module are
removed. The mark names the machine, since hosts that share a file system do not see each other's locks on all of them.
"""

import contextlib
import fcntl
import os
import shutil
import socket
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
                (folder / MARK).write_text(" ".join(_machine()), encoding="utf-8")
            except BaseException:
                os.close(handle)
                raise
            return folder, handle


def _remove_abandoned(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        # Another user's, in the system's folder for temporary files, stays; root could open it.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(handle).st_uid == os.geteuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(folder)
            except BlockingIOError:
                continue
            finally:
                os.close(handle)


def _remove(folder: Path) -> None:
    try:
        marked_by = (folder / MARK).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        _remove_empty(folder)
        return
    # Processes of one boot see each other's locks, from different containers as well; those of an earlier boot of the
    # machine are dead. Earlier versions wrote no name.
    if not marked_by or set(marked_by) & set(_machine()):
        shutil.rmtree(folder, ignore_errors=True)


def _machine() -> list[str]:
    """The host's name and, on Linux, the identity of its boot, which containers share with it."""
    with contextlib.suppress(OSError):
        return [socket.gethostname(), Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
    return [socket.gethostname()]


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a process that was killed before it wrote the mark; any other is not empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()
