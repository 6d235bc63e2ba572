"""Progress of a download: log lines, and a callback for a progress bar."""

import logging
import time
from collections.abc import Callable

from taxi_assets.source.base import Progress

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_CALLS = 0.1
_SECONDS_BETWEEN_LINES = 10.0
_LARGE_FILE = 100_000_000
_MB = 1_000_000


class ProgressReporter:
    """Reports the progress of one file: a log line at most every 10 s, a callback at most every 0.1 s.

    Args:
        name: of the file.
        progress: the callback, also called at the end; None for none.
        clock: returns seconds; tests replace it.
    """

    def __init__(self, name: str, progress: Progress | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._progress = progress
        self._clock = clock
        self._next_call = clock() + _SECONDS_BETWEEN_CALLS
        self._next_line = clock() + _SECONDS_BETWEEN_LINES

    def start(self, total: int | None) -> None:
        """Log the size of a file of 100 MB or more."""
        if total is not None and total >= _LARGE_FILE:
            logger.info("%s: %d MB to fetch", self._name, total // _MB)

    def update(self, done: int, total: int | None) -> None:
        """Report the number of bytes received, of a total that may be unknown."""
        now = self._clock()
        if now >= self._next_call:
            self._next_call = now + _SECONDS_BETWEEN_CALLS
            self._call(done, total)
        if now >= self._next_line:
            self._next_line = now + _SECONDS_BETWEEN_LINES
            of = f" of {total // _MB}" if total is not None else ""
            logger.info("%s: %d%s MB", self._name, done // _MB, of)

    def finish(self, size: int) -> None:
        """Report completion."""
        self._call(size, size)

    def _call(self, done: int, total: int | None) -> None:
        if self._progress is not None:
            self._progress(self._name, done, total)
