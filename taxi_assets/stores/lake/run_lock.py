"""Whose turn it is: runs of one month on one machine queue, instead of overtaking one another.

The kernel holds the lock and lets it go when its process ends, however it ends. Nothing that is promised rests on it:
runs on other machines are noticed when they publish.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

_FIRST_WORD = 1.0  # seconds before whoever waits is told for whom
_WORDS_APART = 60.0
_PAUSE = 0.1


class Turn:
    """The right to make the next version of something, from now until `end` or the end of the process.

    Args:
        path: the file that is locked, made where it is missing.
        what: what it is the turn for, as people call it.
        tell: called with a line for whoever waits: after a second, then every minute.
    """

    def __init__(self, path: Path, what: str, tell: Callable[[str], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _wait(self._handle, what, tell)
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(self._handle)
            raise

    def end(self) -> None:
        """Let the next one go ahead."""
        os.close(self._handle)


def _wait(handle: int, what: str, tell: Callable[[str], None]) -> None:
    started = time.monotonic()
    next_word = _FIRST_WORD
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
            if waited >= next_word:
                holder = os.pread(handle, 20, 0).decode() or "unknown"
                tell(f"waiting for the run in process {holder}, which is making {what}; {waited:.0f} s so far")
                next_word = waited + _WORDS_APART
            time.sleep(_PAUSE)
        else:
            return
