"""A machine that runs Dagster as its users do: with `dagster dev`, or with the services that deploy/ describes."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import yaml

from taxi_assets.stores.postgres import embedded
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.servers.process import free_port
from taxi_assets_tests.stores.servers import folder_for_server, kill_server

PROJECT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
INTERPRETER = Path(__file__).parent / "interpreter"  # settings of the processes' Python
SECONDS_TO_START = 300  # it is 15 seconds of processor time, in five processes
SECONDS_TO_STOP = 60
SECONDS_BETWEEN_QUESTIONS = 1  # each takes the webserver 5 ms of processor time and more, once there are runs
SECONDS_TO_ANSWER = 120  # a question, while other tests keep the machine busy


class Machine(ABC):
    """Everything that runs in one folder, which is the working directory of all its processes and holds their stores.

    Args:
        folder: of its own.
        source: as `TAXI_SOURCE`.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_"))}
        self.environment = {**kept, "TAXI_SOURCE": source, "PYTHONPATH": f"{INTERPRETER}:{PROJECT}"}
        self._started: list[subprocess.Popen[bytes]] = []
        # One client for all questions, since each loads the system's certificates, which takes longer than an answer.
        # It keeps no connection, since the webserver behind it may be killed.
        without_connections = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(timeout=SECONDS_TO_ANSWER, limits=without_connections)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """Where the stores are by default."""
        return self.folder / ".taxi"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @abstractmethod
    def start(self) -> None:
        """Start what does not run, and come back when the webserver answers."""

    @abstractmethod
    def kill_daemon(self) -> None:
        """Kill the daemon; whatever ends with it has ended afterwards."""

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the webserver's GraphQL answers."""
        answer = self._asked(query, variables)
        assert "errors" not in answer, answer
        return answer["data"]

    def runs(self) -> list[psutil.Process]:
        """The processes of the runs under way; each is a child of the code server's fork server, or was."""
        forked = [process for process in self._processes() if "multiprocessing.forkserver" in _command(process)]
        return [process for process in forked if "api grpc" not in _command(process.parent())]

    def switch_off(self) -> None:
        """Kill every process at once, Postgres too, as a power cut does."""
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes)
        for started in self._started:
            started.wait()
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            kill_server(self.home / "postgres")

    def stop(self) -> None:
        """Ask everything to end as a person would; kill what is left."""
        for started in self._started:
            started.terminate()
        give_up = time.monotonic() + SECONDS_TO_STOP
        while any(started.poll() is None for started in self._started) and time.monotonic() < give_up:
            time.sleep(0.2)
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for started in self._started:
            started.wait()
        if embedded.is_made(self.home / "postgres"):
            server = embedded.get_server(self.home / "postgres", start=False)
            server.cleanup_mode = "delete"
            server.cleanup()
        self._client.close()

    def _asked(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        return self._client.post(f"{self.url}/graphql", json={"query": query, "variables": variables}).json()

    def _launch(self, *command: object, **variables: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.folder,
                env={**self.environment, **variables},
                stdout=log,
                stderr=log,
                # Whoever was started in the background ignores it, and `dagster dev` would ignore SIGTERM with it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            )
        self._started.append(process)
        return process

    def _wait_for_webserver(self) -> None:
        """Until it has the assets, too: it may come up before the code server does, and then finds it by itself."""
        give_up = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < give_up:
            with suppress(httpx.TransportError):
                answer = self._asked("{ assetNodes { id } }", {})
                if (answer.get("data") or {}).get("assetNodes"):
                    return
            assert any(started.poll() is None for started in self._started), self.last_words()
            time.sleep(0.5)
        raise TimeoutError(f"no webserver at {self.url}:\n{self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.cwd() == str(self.folder):
                    found.append(process)
        return found


class Laptop(Machine):
    """`dagster dev` in a folder with the project's own dagster.yaml and workspace.yaml, as in a fresh clone."""

    definitions = "taxi_assets.definitions"

    def start(self) -> None:
        shutil.copy(PROJECT / "dagster.yaml", self.folder)
        workspace = (PROJECT / "workspace.yaml").read_text()
        (self.folder / "workspace.yaml").write_text(workspace.replace("taxi_assets.definitions", self.definitions))
        if all(started.poll() is not None for started in self._started):
            self._launch(PROGRAMS / "dagster", "dev", "--host", "127.0.0.1", "--port", self.port)
        self._wait_for_webserver()

    def kill_daemon(self) -> None:
        """`dagster dev` ends when its daemon does; the runs under way go on to their end."""
        [daemon] = [process for process in self._processes() if "dagster._daemon" in _command(process)]
        daemon.kill()
        self._started[-1].wait(SECONDS_TO_START)


class Server(Machine):
    """The services of deploy/, by their own command lines, with Dagster's records in Postgres.

    Args:
        folder: of its own.
        source: as `TAXI_SOURCE`.
        storage: URL of a database for Dagster's records.
    """

    services = ("taxi-code", "taxi-daemon", "taxi-webserver")
    deployment = PROJECT / "deploy" / "dagster.yaml"

    def __init__(self, folder: Path, source: str, storage: str) -> None:
        super().__init__(folder, source)
        self.environment |= {
            "DAGSTER_HOME": str(folder / "dagster"),
            "DAGSTER_POSTGRES_URL": storage,
            "DAGSTER_GRPC_SOCKET": str(folder / "code.sock"),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        home = self.folder / "dagster"
        home.mkdir(exist_ok=True)
        instance = yaml.safe_load(self.deployment.read_text())
        del instance["compute_logs"]  # there is no bucket here
        (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
        for service in self.services:
            if service not in self._running or self._running[service].poll() is not None:
                unit = PROJECT / "deploy" / f"{service}.service"
                self._running[service] = self._launch(*command_of(unit, {"--port 3000": f"--port {self.port}"}))
        self._wait_for_webserver()

    def kill_daemon(self) -> None:
        self._running["taxi-daemon"].kill()
        self._running["taxi-daemon"].wait()


def command_of(unit: Path, changes: Mapping[str, str]) -> list[str]:
    """The command line of a systemd unit, with the programs of this checkout, and with these texts replaced."""
    [line] = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    for there, here in {"/opt/taxi/.venv/bin": str(PROGRAMS), "/opt/taxi": str(PROJECT), **changes}.items():
        line = line.replace(there, here)
    return shlex.split(line.removeprefix("ExecStart="))


@contextmanager
def laptop(source: str) -> Iterator[Laptop]:
    """One that runs, in a folder where the embedded Postgres can be reached."""
    with tempfile.TemporaryDirectory(prefix="taxi laptop ") as folder:
        machine = Laptop(Path(folder), source)
        try:
            machine.start()
            yield machine
        finally:
            machine.stop()


@contextmanager
def server(source: str) -> Iterator[Server]:
    """One that runs, with a database of its own for Dagster's records."""
    with folder_for_server() as storage, tempfile.TemporaryDirectory(prefix="taxi-server-") as folder:
        url = embedded_url(storage)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE dagster")
        machine = Server(Path(folder), source, records_url(url, "dagster"))
        try:
            machine.start()
            yield machine
        finally:
            machine.stop()


def records_url(server: str, database: str) -> str:
    """The URL of a database for Dagster's records, as deploy/dagster.yaml wants it."""
    return server.replace("postgresql://", "postgresql+psycopg2://").replace("/postgres?", f"/{database}?")


def _command(process: psutil.Process | None) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline()) if process else ""
    return ""
