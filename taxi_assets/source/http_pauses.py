"""Pauses that servers ask for by `Retry-After`: kept for the whole process, so that all its requests honour them.

A sensor's tick, a look-up of sizes with several threads and a download each have a client of their own; without this,
each of them would ask a server again that has just asked another one to wait.
"""

import threading
import time
from urllib.parse import urlsplit

_LONGEST = 6 * 3600.0  # seconds; more is a mistake of the server's, and a process may live for months
_lock = threading.Lock()
_ends: dict[str, float] = {}  # host and port -> monotonic time


def record_pause(url: str, seconds: float) -> None:
    """Record that the server of the URL asked for a pause, unless it asked for a longer one before."""
    host = urlsplit(url).netloc
    with _lock:
        _ends[host] = max(_ends.get(host, 0.0), time.monotonic() + min(seconds, _LONGEST))


def remaining_pause(url: str) -> float:
    """Seconds until the server of the URL may be asked again; 0 where it asked for no pause."""
    with _lock:
        return max(0.0, _ends.get(urlsplit(url).netloc, 0.0) - time.monotonic())


def forget_pauses() -> None:
    """Forget all pauses."""
    with _lock:
        _ends.clear()
