"""A writer for psycopg's COPY whose queue is short: 16 pieces instead of 1,024, and whose socket holds more.

psycopg has no setting for it, so this module replaces the private `_queue` of its writer. A queue of 1,024 pieces of
this package's size would hold 230 MB.
"""

import os
import socket
from typing import Any

import psycopg
from psycopg.copy import QueuedLibpqWriter

_PIECES = 16
_SOCKET_BYTES = 4_000_000  # the kernel takes less where net.core.wmem_max is smaller


class ShortQueueWriter(QueuedLibpqWriter):
    """Sends from a thread of its own, while the caller encodes the next piece."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self._queue = type(self._queue)(maxsize=_PIECES)
        _enlarge_buffer(cursor.connection.fileno())


def _enlarge_buffer(descriptor: int) -> None:
    """Have a local socket hold what the server reads while pgpq encodes.

    pgpq keeps the interpreter's lock meanwhile, so that nothing is sent. TCP's buffers grow by themselves, unless their
    size is set.
    """
    with socket.socket(fileno=os.dup(descriptor)) as connected:
        if connected.family == socket.AF_UNIX:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
