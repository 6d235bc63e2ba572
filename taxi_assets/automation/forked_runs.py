"""Forks the processes of runs off one that has imported what they need.

Dagster's code server spawns a Python process for each run, which imports Dagster and the definitions: more than half of
the CPU time of a small month's run. Here a run's process is forked by Python's fork server, which imports that once.
"""

import atexit
import multiprocessing
import sys
from collections.abc import Set as AbstractSet
from multiprocessing.context import ForkServerProcess, SpawnProcess
from pathlib import Path
from typing import Any

import taxi_assets

_PRELOADED = [
    "dagster._cli",  # the main module of the code server, which multiprocessing imports in each process
    "taxi_assets.automation.preloaded",
]
_SERVER = ["api", "grpc"]  # what follows `dagster` on the command line of a code server


class ForkedRun(ForkServerProcess):
    """A run's process."""

    def run(self) -> None:
        """Do what it is for, and what is to be done at exit: a forked process of Python 3.11 leaves that out."""
        try:
            super().run()
        finally:
            atexit._run_exitfuncs()  # stops the embedded Postgres, among others


def fork_runs() -> None:
    """Fork the runs of this process, if it is a code server; other processes stay as they are.

    A run is spawned, and imports everything, after a source file of the package was changed: the fork server has
    imported the old ones, and a run executes new code also before the UI's *Reload*.
    """
    if sys.argv[1:3] != _SERVER or multiprocessing.parent_process() is not None:
        return
    multiprocessing.set_forkserver_preload(_PRELOADED)
    loaded = _sources()

    def new_process(*arguments: Any, **options: Any) -> SpawnProcess | ForkServerProcess:
        kind = ForkedRun if _sources() == loaded else SpawnProcess
        return kind(*arguments, **options)

    # Dagster asks this context, which is one object a process, for the process of a run, and nothing else does.
    vars(multiprocessing.get_context("spawn"))["Process"] = new_process


def _sources() -> AbstractSet[tuple[str, int]]:
    """The package's source files with the times of their last change, which takes some milliseconds."""
    folder = Path(taxi_assets.__file__).parent
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*.py")}
