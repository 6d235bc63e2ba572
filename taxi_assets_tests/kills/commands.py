"""`taxi` as a process of its own that has imported everything: the campaign kills runs, not imports."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from taxi_assets_tests.forks import FORKS

_STEP = " rows in "  # in the line of an asset that was stored


class Command:
    """One `taxi` command under way; what it prints goes to a file."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        self.output = output
        output.touch()
        self._process = FORKS.Process(target=_taxi, args=(list(arguments), dict(environment), str(output)))
        self._process.start()

    def wait(self, seconds: float) -> int | None:
        """The exit status; None where it does not end in time, and then it is killed."""
        self._process.join(seconds)
        status = self._process.exitcode
        if status is None:
            self.kill()
        return status

    def wait_for_steps(self, count: int) -> None:
        """Come back when the command has told of so many steps, or has ended."""
        while self._process.is_alive() and self.output.read_text(errors="replace").count(_STEP) < count:
            time.sleep(0.01)

    def kill(self) -> int | None:
        """Kill the process, as `kill -9` does; the exit status where it had ended by then."""
        status = self._process.exitcode
        self._process.kill()
        self._process.join()
        return status


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes whose command line, working directory or environment names the folder."""
    named = str(folder)
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.status() != psutil.STATUS_ZOMBIE and named in " ".join([*process.cmdline(), process.cwd()]):
                found.append(process)
    return found


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """Kill the processes at once, as a power cut does."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes)


def _taxi(arguments: list[str], environment: dict[str, str], output: str) -> None:
    with Path(output).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["taxi", *arguments]
    from taxi_assets.cli.__main__ import program

    program()
