"""Seconds, CPU seconds and peak memory of a function here, or of a command with every process that it starts."""

import ctypes
import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_PAUSE_SECONDS = 0.05
_SAMPLE_SECONDS = 0.4  # a sample takes 8 ms of a core; every 0.05 s they made a run of 6.04 s last 6.37 s
_SECONDS_TO_END = 10  # for a server that a command stops as its last act


@dataclass(frozen=True)
class Cost:
    """What a piece of work took.

    Attributes:
        seconds: by the clock.
        cpu: seconds of all processes, user and system.
        peak: bytes of memory, each shared page counted once; None where it was not measured.
    """

    seconds: float
    cpu: float
    peak: int | None = None

    @classmethod
    def median(cls, costs: Sequence["Cost"]) -> "Cost":
        """The medians, and the largest peak."""
        peaks = [cost.peak for cost in costs if cost.peak is not None]
        return cls(
            statistics.median(cost.seconds for cost in costs),
            statistics.median(cost.cpu for cost in costs),
            max(peaks, default=None),
        )


def in_turns(rounds: int, *sides: Callable[[], Cost]) -> list[Cost]:
    """Each side's medians, measured A B A B, since the speed of a machine drifts."""
    measured: list[list[Cost]] = [[] for _ in sides]
    for _ in range(rounds):
        for costs, side in zip(measured, sides, strict=True):
            costs.append(side())
    return [Cost.median(costs) for costs in measured]


def cost_of(work: Callable[[], object], server: int | None = None) -> Cost:
    """What the function takes in this process, and in a server that works for it.

    Args:
        work: the function.
        server: process id of the server's first process.
    """
    cpu, started = _cpu_here() + _cpu_of(server), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    time.sleep(_PAUSE_SECONDS)  # a session's process counts as its parent's once that has noticed its end
    return Cost(seconds, _cpu_here() + _cpu_of(server) - cpu)


def cost_of_command(command: Sequence[str | Path], variables: Mapping[str, str], server: int | None = None) -> Cost:
    """What the command takes, with what it starts, such as the embedded server.

    Args:
        command: a program and its arguments.
        variables: added to this process's environment.
        server: process id of a server that works for it; the CPU time of that counts, and its memory does not.

    Raises:
        subprocess.CalledProcessError: it failed; what it wrote to its error output is in `stderr`.
    """
    # What a command starts as a daemon becomes a child of this process, so that its CPU time is counted here.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    here = {child.pid for child in psutil.Process().children()}
    used, started = _cpu_of_children() + _cpu_of(server), time.perf_counter()
    with subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        sampler = _Peak(here)
        _, errors = process.communicate()
        seconds = time.perf_counter() - started
        peak = sampler.stop()
    _reap_others(here)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(map(str, command)), stderr=errors)
    return Cost(seconds, _cpu_of_children() + _cpu_of(server) - used, peak)


def _cpu_here() -> float:
    return time.process_time() + _cpu_of_children()


def _cpu_of(server: int | None) -> float:
    if server is None:
        return 0
    used = 0.0
    for process in (found := psutil.Process(server), *found.children()):
        with suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:4])  # its own, and that of the children that have ended
    return used


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap_others(here: set[int]) -> None:
    """Wait for what the command left, apart from the children that were there before."""
    give_up = time.monotonic() + _SECONDS_TO_END
    left = [child for child in psutil.Process().children() if child.pid not in here]
    while left and time.monotonic() < give_up:
        for child in left:
            with suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
        time.sleep(_PAUSE_SECONDS)
        left = [child for child in psutil.Process().children() if child.pid not in here]


class _Peak:
    """The most memory that children of this process, apart from those of before, hold together."""

    def __init__(self, apart_from: set[int]) -> None:
        self._apart_from = apart_from
        self._bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._bytes

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            roots = [child for child in psutil.Process().children() if child.pid not in self._apart_from]
            total = 0
            for root in roots:
                with suppress(psutil.NoSuchProcess):
                    total += sum(_bytes_of(one.pid) for one in (root, *root.children(recursive=True)))
            self._bytes = max(self._bytes, total)


def _bytes_of(pid: int) -> int:
    """Memory of a process, with its part of each page that it shares."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
