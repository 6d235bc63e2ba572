"""Has the daemon look for backfills every five seconds instead of every thirty, which Dagster has no setting for.

A backfill waited up to half a minute for its first run, and up to another for its end to be noticed: more than half of
the time of a backfill of nine small months. A look where there is no backfill takes a millisecond.
"""

import sys
import threading
from collections.abc import Iterator
from typing import Any

SECONDS = 5
_DAEMONS = "dagster._daemon.daemon"


class _Prompt:
    """The daemon's event of its end, whose waits between two looks are short."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(min(seconds, SECONDS))


def look_for_backfills_often() -> None:
    """Change the loop of Dagster's backfill daemon, if this process is one that has daemons."""
    if _DAEMONS not in sys.modules:
        return
    module = vars(sys.modules[_DAEMONS])
    loop = module["execute_backfill_iteration_loop"]

    def often(workspace: Any, logger: Any, shutdown_event: threading.Event, **options: Any) -> Iterator[Any]:
        yield from loop(workspace, logger, _Prompt(shutdown_event), **options)

    module["execute_backfill_iteration_loop"] = often
