"""RabbitMQ for the tests: a real server of the session's own, on loopback, as a child process without systemd."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from taxi_assets_tests.servers.process import free_port

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in /usr/sbin becomes another user, and needs its home
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "celery" / "rabbitmq.conf"
SECONDS_TO_START = 90


def why_no_rabbitmq() -> str | None:
    """Why there is no RabbitMQ here; None where there is."""
    if PROGRAM.exists() and shutil.which("erl"):
        return None
    return "RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server"


class RabbitServer:
    """One server, with its data in the folder; it is started again on its port.

    Args:
        folder: of its own.
        host: the address that it listens on.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@{host}:{self.port}//"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        own = (
            f"listeners.tcp.1 = {host}:{self.port}\n"
            "loopback_users = none\n"
            "vm_memory_high_watermark.absolute = 400MB\n"
            "disk_free_limit.absolute = 10MB\n"
        )
        deployed = "".join(
            line for line in CONFIGURATION.read_text().splitlines(keepends=True) if not line.startswith("listeners")
        )
        (folder / "rabbitmq.conf").write_text(own + deployed)
        (folder / "enabled_plugins").write_text("[].\n")
        epmd = free_port()
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_NODENAME": f"taxi{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd),
        }

    def start(self) -> None:
        """Start the server, and come back when it takes connections."""
        with (self.folder / "output").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + SECONDS_TO_START
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"RabbitMQ did not start:\n{(self.folder / 'output').read_text()[-4000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server, and the port mapper that it started, as a power cut would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.name() == "epmd" and process.environ().get("HOME") == str(self.folder):
                    process.kill()

    def restart(self) -> None:
        """Kill it, and start it again with what it had written to its disk."""
        self.kill()
        (self.folder / "output").unlink()
        self.start()

    def _is_ready(self) -> bool:
        output = self.folder / "output"
        return output.exists() and re.search(r"Starting broker\.\.\. completed", output.read_text()) is not None


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[RabbitServer]:
    """A running server with its data in the folder."""
    server = RabbitServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
