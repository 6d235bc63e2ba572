"""BigQuery for the tests: bqemulator in an environment of its own, with what `bigquery_emulator` adds to it."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import taxi_assets_tests
from taxi_assets_tests.servers.process import ServerProcess, free_port

PYTHON_VARIABLE = "TAXI_TESTS_BIGQUERY_EMULATOR"


@dataclass(frozen=True)
class Request:
    """One request the server received, in the order of the answers."""

    method: str
    path: str
    body: Any
    body_bytes: int
    status: int | None


@dataclass(frozen=True)
class BigQueryServer:
    """A running server: `url` is for BIGQUERY_EMULATOR_HOST, `grpc_address` for the Storage Read API."""

    url: str
    grpc_address: str
    folder: Path
    process: ServerProcess = field(repr=False)

    def requests(self) -> list[Request]:
        """What the server received since its first start; the body is the JSON of it, if there was any."""
        log = self.folder / "requests.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [Request(**json.loads(line)) for line in lines]

    def kill(self) -> None:
        """Kill it as a power cut would; what was committed stays."""
        self.process.kill()

    def restart(self) -> None:
        """Start it again on the same ports with its data."""
        self.process.restart()


def emulator_python() -> Path:
    """The interpreter of the emulator's own environment, whether it is there or not."""
    chosen = os.environ.get(PYTHON_VARIABLE)
    return Path(chosen) if chosen else Path(sys.prefix) / "bigquery-emulator" / "bin" / "python"


def why_no_bigquery_server() -> str | None:
    """The reason to skip a test that needs the server; None if it can be started."""
    python = emulator_python()
    if python.exists():
        return None
    return (
        f"no BigQuery emulator: {python} does not exist; make it with `make test`, or name another in {PYTHON_VARIABLE}"
    )


@contextmanager
def bigquery_server(gcs_folder: Path | None, host: str = "127.0.0.1") -> Iterator[BigQueryServer]:
    """Serve BigQuery on free ports of that address; `gs://` is `gcs_folder`, laid out as fake-gcs-server's."""
    reason = why_no_bigquery_server()
    if reason:
        raise RuntimeError(reason)
    rest_port, grpc_port = free_port(), free_port()
    url = f"http://{host}:{rest_port}"
    with tempfile.TemporaryDirectory(prefix="taxi bigquery ") as parent:
        folder = Path(parent)
        process = ServerProcess(
            [emulator_python(), "-m", "taxi_assets_tests.servers.bigquery_emulator.serve"],
            ready_url=f"{url}/readyz",
            log=folder / "log",
            environment=_environment(folder, gcs_folder, host, rest_port=rest_port, grpc_port=grpc_port),
        )
        try:
            process.start()
            yield BigQueryServer(url, f"{host}:{grpc_port}", folder, process)
        finally:
            process.stop()


def _environment(folder: Path, gcs_folder: Path | None, host: str, *, rest_port: int, grpc_port: int) -> dict[str, str]:
    settings = {
        "BQEMU_REST_HOST": host,
        "BQEMU_GRPC_HOST": host,
        "BQEMU_REST_PORT": str(rest_port),
        "BQEMU_GRPC_PORT": str(grpc_port),
        "BQEMU_PERSISTENCE_MODE": "persistent",
        "BQEMU_DATA_DIR": str(folder),
        "BQEMU_UPLOAD_STAGING_DIR": str(folder / "uploads"),
        "BQEMU_ENABLE_FORMAT_EXTENSIONS": "false",  # they would be downloaded
        "BQEMU_METRICS_ENABLED": "false",
        "BQEMU_LOG_LEVEL": "warning",
        "PYTHONPATH": str(Path(taxi_assets_tests.__file__).parents[1]),
    }
    if gcs_folder:
        settings["BQEMU_GCS_LOCAL_ROOT"] = str(gcs_folder)
    return {**os.environ, **settings}
