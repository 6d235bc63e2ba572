"""How slow an HTTP server may be, and what ends an attempt that is slower.

A time-out of the client begins anew with every byte, of the headers as of the body, so that a byte a second would hold
a run for years. Here a thread of its own looks at the clock, and ends the connection.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from taxi_assets.source.http_responses import Transient

MIN_BYTES_PER_SECOND = 10_000
"""Bytes a second, over a window; TLC's CDN sends 500,000 and more."""

MAX_FETCH_SECONDS = 2 * 3600.0
"""Seconds for one file, in all attempts: TLC's largest, 611 MB, takes 20 minutes at 500,000 bytes a second."""


class TooSlow(Transient):
    """An attempt was ended since too little arrived."""


class ThroughputWatchdog:
    """Watches one attempt while the context is open, and ends its connection where too little arrives.

    Args:
        window: seconds, in each of which `MIN_BYTES_PER_SECOND` is asked for on average; connecting and headers count as none.
        ends: when the whole fetch has to be over, on the clock of `time.monotonic`.

    Raises:
        TooSlow: on leaving the context, where the connection was ended.
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
        """What a request is sent with, so that its connection can be ended."""
        return {"trace": self._traced}

    def received(self, size: int) -> None:
        """Count the bytes of the body."""
        self._received += size

    def _traced(self, _event: str, info: Mapping[str, Any]) -> None:
        # What a step of connecting returns: TCP, then perhaps the proxy's tunnel, then TLS.
        made: Any = info.get("return_value")
        if hasattr(made, "get_extra_info"):
            self._sockets.append(made.get_extra_info("socket"))
            if self._failure is not None:  # looking up the name, or connecting, took too long
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
            with contextlib.suppress(OSError):  # closed already
                # Not its own shutdown: that of a TLS socket takes the session from under the thread that reads.
                socket.socket.shutdown(one, socket.SHUT_RDWR)
