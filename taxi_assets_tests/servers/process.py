"""A server of the tests as a process of its own: started, awaited, killed, started again on its port."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS_TO_START = 120
SECONDS_TO_STOP = 5


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """One server, which keeps its command line and so its port and its data when it is started again."""

    def __init__(
        self, command: Sequence[str | Path], *, ready_url: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.command = [str(part) for part in command]
        self.ready_url = ready_url
        self.log = log
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and come back when it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        give_up = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise RuntimeError(f"{self.command[0]} did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ask the server to end, and insist if it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        """Start the server again, on the port and with the data it had; kills it first if it still runs."""
        self.kill()
        self.start()

    def ensure_running(self) -> None:
        """Start the server again if it does not answer."""
        if not self._answers():
            self.restart()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.ready_url, timeout=5):  # noqa: S310 - our own server
                return True
        except (OSError, urllib.error.URLError):
            return False
