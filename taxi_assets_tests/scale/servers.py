"""What the hub has for its hosts: Postgres by TCP, RabbitMQ, the emulators, and a source as slow as TLC's CDN."""

import hashlib
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import psycopg
from google.cloud import storage

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.sample import write_tree
from taxi_assets.stores.postgres.embedded.programs import PSQL, ensure_programs, run, server_user
from taxi_assets_tests.conftest import environment
from taxi_assets_tests.servers.bigquery import bigquery_server
from taxi_assets_tests.servers.gcs import gcs_server
from taxi_assets_tests.servers.process import free_port
from taxi_assets_tests.servers.rabbitmq import RabbitServer

_BLOCK = 4096
_SECONDS_TO_START = 60


@dataclass(frozen=True)
class Hub:
    """The servers' addresses.

    Attributes:
        storage: URL of the database for Dagster's records, for SQLAlchemy.
        broker: RabbitMQ.
        variables: the stores, the source and the emulators, as every host gets them.
    """

    storage: str
    broker: RabbitServer
    variables: dict[str, str]


@contextmanager
def hub(folder: Path, address: str, dataset: Dataset, months: Sequence[Month], rate: float) -> Iterator[Hub]:
    """The servers, on that address.

    Args:
        folder: of their own, which other users may pass.
        address: the hub's.
        dataset: of the source's files.
        months: that the source has.
        rate: bytes a second of each of the source's streams.
    """
    with ExitStack() as stack:
        write_tree(folder / "published", months=[(dataset, month) for month in months])
        postgres = stack.enter_context(_postgres(folder / "postgres", address))
        broker = RabbitServer(folder / "rabbitmq", address)
        stack.callback(broker.kill)
        broker.start()
        gcs = stack.enter_context(gcs_server(folder / "buckets", address))
        stack.enter_context(environment(STORAGE_EMULATOR_HOST=gcs.url))
        bigquery = stack.enter_context(bigquery_server(gcs.folder, address))
        stack.enter_context(environment(BIGQUERY_EMULATOR_HOST=bigquery.url))
        bucket = storage.Client().create_bucket(uuid4().hex).name
        variables = {
            "TAXI_SOURCE": stack.enter_context(_source(folder / "published", address, rate)),
            "TAXI_LAKE": f"gs://{bucket}/lake",
            "TAXI_POSTGRES": f"{postgres}/taxi",
            "TAXI_WAREHOUSE": "bigquery://project/scale",
            "STORAGE_EMULATOR_HOST": gcs.url,
            "BIGQUERY_EMULATOR_HOST": bigquery.url,
        }
        yield Hub(f"{postgres}/dagster".replace("postgresql://", "postgresql+psycopg2://"), broker, variables)


@contextmanager
def _postgres(folder: Path, address: str) -> Iterator[str]:
    """A server that takes connections by TCP, with the databases `dagster` and `taxi`; yields its URL."""
    user, port = server_user(folder), free_port()
    ensure_programs(user)
    folder.mkdir()
    user.own(folder)
    user.let_through(folder.parent)
    data = folder / "data"
    made = run(
        user,
        folder,
        "initdb",
        ["-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"],
        {"PATH": "/usr/bin:/bin"},
    )
    assert made.returncode == 0, made.stdout
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 0.0.0.0/0 trust\n")
    settings = {"listen_addresses": address, "port": port, "unix_socket_directories": folder, "max_connections": 200}
    options = [f"--{name}={value}" for name, value in settings.items()]
    as_user = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.is_other else {}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [PSQL.parent / "postgres", "-D", data, *options], cwd=folder, stdout=log, stderr=log, **as_user
        )
    url = f"postgresql://postgres@{address}:{port}"
    try:
        give_up = time.monotonic() + _SECONDS_TO_START
        while True:
            with suppress(psycopg.OperationalError), psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                for name in ("dagster", "taxi"):
                    connection.execute(f"CREATE DATABASE {name}")
                break
            assert time.monotonic() < give_up, (folder / "log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.kill()
        process.wait()


class _Handler(BaseHTTPRequestHandler):
    """Files of a folder, each stream at a fixed rate, resumable as TLC's."""

    protocol_version = "HTTP/1.1"
    folder: Path
    rate: float

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        file = self.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'  # as TLC states it
        wanted = self.headers.get("Range")
        is_rest = wanted is not None and self.headers.get("If-Range", etag) == etag
        start = int(str(wanted).split("=")[1].split("-")[0]) if is_rest else 0
        self.send_response(206 if is_rest else 200)
        if is_rest:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            self._send_slowly(content[start:])

    def _send_slowly(self, content: bytes) -> None:
        begun = time.monotonic()
        for sent in range(0, len(content), _BLOCK):
            self.wfile.write(content[sent : sent + _BLOCK])
            time.sleep(max(0, (sent + _BLOCK) / self.rate - (time.monotonic() - begun)))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that is cut off is part of it."""


@contextmanager
def _source(folder: Path, address: str, rate: float) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"folder": folder, "rate": rate})
    with _Server((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}"
        server.shutdown()
