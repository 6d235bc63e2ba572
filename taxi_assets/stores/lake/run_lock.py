"""A lock by which runs of one partition on one machine queue, instead of overtaking one another.

The kernel holds it and releases it when its process exits for any reason. No guarantee depends on it: a conflict with a
run on another machine is detected at publication.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

_FIRST_LOG = 1.0  # seconds of waiting before the first log line
_LOG_INTERVAL = 60.0
_PAUSE = 0.1


class RunLock:
    """The exclusive right to write the next version of a group, until `release` or the end of the process.

    Args:
        path: the file to lock; created where it does not exist.
        what: the group, for the log.
        log: called with a line after a second of waiting, and then every minute.
    """

    def __init__(self, path: Path, what: str, log: Callable[[str], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait(self._handle, what, log)
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(self._handle)
            raise

    def release(self) -> None:
        """Let the next run continue."""
        os.close(self._handle)


def _wait(handle: int, what: str, log: Callable[[str], None]) -> None:
    started = time.monotonic()
    next_log = _FIRST_LOG
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
            if waited >= next_log:
                holder = os.pread(handle, 20, 0).decode() or "unknown"
                log(f"waiting for the run in process {holder}, which is making {what}; {waited:.0f} s so far")
                next_log = waited + _LOG_INTERVAL
            time.sleep(_PAUSE)
        else:
            return
