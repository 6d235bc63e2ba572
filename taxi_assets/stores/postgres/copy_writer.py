"""A writer for psycopg's COPY whose queue is short: 16 pieces instead of 1,024.

psycopg has no setting for it, so this module replaces the private `_queue` of its writer. A queue of 1,024 pieces of
this package's size would hold 230 MB.
"""

from typing import Any

import psycopg
from psycopg.copy import QueuedLibpqWriter

_PIECES = 16


class ShortQueueWriter(QueuedLibpqWriter):
    """Sends from a thread of its own, while the caller encodes the next piece."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self._queue = type(self._queue)(maxsize=_PIECES)
