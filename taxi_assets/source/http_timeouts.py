"""Minimum throughput of an HTTP transfer, enforced by a watchdog thread.

The client's read timeout restarts with every byte of headers and body, so that a server with one byte a second would
block a run for years. The thread measures the throughput and shuts the connection's socket down.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from taxi_assets.source.http_responses import Transient

MIN_BYTES_PER_SECOND = 10_000
"""Averaged over a window; TLC's CDN sends 500,000 and more."""

MAX_FETCH_SECONDS = 2 * 3600.0
"""For one file, over all attempts: TLC's largest, 611 MB, takes 20 minutes at 500,000 bytes a second."""


class TooSlow(Transient):
    """The watchdog ended an attempt below the minimum throughput, or past the deadline."""


class ThroughputWatchdog:
    """Context manager for one attempt: closes its connection when the throughput is too low.

    Args:
        window: seconds over which the throughput is averaged; connecting and headers count as 0 bytes.
        ends: deadline of the complete fetch, by `time.monotonic`.

    Raises:
        TooSlow: on exit, if the watchdog closed the connection.
    """

    def __init__(self, window: float, ends: float) -> None:
        self._window = window
        self._ends = ends
        self._received = 0
        self._failure: str | None = None
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog of a download", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failure is not None and (error is None or isinstance(error, Exception)):
            raise TooSlow(self._failure) from error

    @property
    def extensions(self) -> Mapping[str, Callable[[str, Mapping[str, Any]], None]]:
        """Request extensions that hand the connection's socket to the watchdog."""
        return {"trace": self._traced}

    def received(self, size: int) -> None:
        """Count bytes of the body."""
        self._received += size

    def _traced(self, _event: str, info: Mapping[str, Any]) -> None:
        # Connecting returns a stream per step: TCP, a proxy's tunnel if there is one, TLS.
        stream: Any = info.get("return_value")
        if hasattr(stream, "get_extra_info"):
            self._sockets.append(stream.get_extra_info("socket"))
            if self._failure is not None:  # name resolution or connecting took too long
                self._disconnect()

    def _watch(self) -> None:
        before = 0
        while not self._over.wait(max(0.0, min(self._window, self._ends - time.monotonic()))):
            if time.monotonic() >= self._ends:
                return self._end(f"it was not there after {MAX_FETCH_SECONDS / 3600:g} hours, the longest for one file")
            if self._received - before < MIN_BYTES_PER_SECOND * self._window:
                sent = self._received - before
                return self._end(
                    f"the server sent {sent:,} bytes in {self._window:g} s, less than {MIN_BYTES_PER_SECOND:,} bytes"
                    " a second"
                )
            before = self._received
        return None

    def _end(self, failure: str) -> None:
        self._failure = failure
        self._disconnect()

    def _disconnect(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):  # already closed
                # Not ssl.SSLSocket.shutdown, which drops the TLS session that the reading thread still uses.
                socket.socket.shutdown(one, socket.SHUT_RDWR)
