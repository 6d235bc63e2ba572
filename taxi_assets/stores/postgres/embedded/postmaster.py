"""Detect the server of a data folder, by its processes, since a kill may leave its PID file half-written."""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from taxi_assets.errors import StoreUnavailable

_LINES = 8  # of a complete postmaster.pid: pid, data, start time, port, sockets, address, shared memory, status
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class PidFile:
    """The content of postmaster.pid, as far as it was written.

    Attributes:
        pid: of the server; None where it is missing.
        sockets: folder of the server's socket.
        status: `starting`, `ready` or `stopping`; empty where it is missing.
    """

    pid: int | None
    sockets: Path | None
    status: str

    @classmethod
    def of(cls, folder: Path) -> "PidFile | None":
        """The file in the data folder; None where it does not exist."""
        try:
            text = (folder / "postmaster.pid").read_text(errors="replace")
        except FileNotFoundError:
            return None
        lines = [line.strip() for line in text.splitlines()]
        pid = int(lines[0]) if lines and lines[0].isdigit() else None
        sockets = Path(lines[4]) if len(lines) > 4 and lines[4] else None  # noqa: PLR2004
        return cls(pid, sockets, lines[7] if len(lines) >= _LINES else "")

    @property
    def answers(self) -> bool:
        """True: a server accepts connections at the socket."""
        if self.sockets is None:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self.sockets / ".s.PGSQL.5432"))
            except OSError:
                return False
        return True


def running_server(folder: Path, seconds: float) -> PidFile | None:
    """The server that is ready on the data folder; None where there is none, and a dead one's PID file is removed.

    It waits for a server that starts or stops, and for the remaining processes of one whose main process was killed.

    Raises:
        StoreUnavailable: that takes too long, or the server runs out of this process's sight, as in a container.
    """
    give_up = time.monotonic() + seconds
    while True:
        found = PidFile.of(folder)
        if found is not None and found.status == "ready" and _is_server(found.pid, folder) and found.answers:
            return found
        processes = _processes(folder)
        if not processes:
            if found is not None:
                _remove_left(folder, found)
            return None
        if time.monotonic() > give_up:
            numbers = ", ".join(str(process.pid) for process in processes)
            raise StoreUnavailable(
                f"the embedded Postgres in {folder} is neither ready nor gone after {seconds:.0f} s: "
                f"look at its log, {folder / 'log'}, and at its processes ({numbers})"
            )
        time.sleep(_POLL_SECONDS)


def _remove_left(folder: Path, found: PidFile) -> None:
    if found.answers:
        raise StoreUnavailable(
            f"another server uses {folder}, out of this process's sight (in another container?): stop it, "
            "or use another TAXI_HOME for each"
        )
    # A server changes to its folder before it creates this file, and creates none where one exists: no server has it.
    # An empty file, or one with the number of another process, would keep every later server from starting.
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _is_server(pid: int | None, folder: Path) -> bool:
    with suppress(psutil.Error, OSError):
        return pid is not None and _works_in(psutil.Process(pid), folder)
    return False


def _processes(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if _works_in(process, folder):
                found.append(process)
    return found


def _works_in(process: psutil.Process, folder: Path) -> bool:
    # A zombie, as in a container whose first process does not reap others, has no working directory.
    return process.name() == "postgres" and Path(process.cwd()) == folder
