"""A PostgreSQL server as `initdb` leaves it, on loopback: as an untuned one is."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taxi_assets.stores.postgres.embedded.programs import ensure_programs, run, server_user
from taxi_assets_tests.servers.process import free_port

_ENVIRONMENT = {"PATH": os.defpath}


@contextmanager
def stock_server(work: Path) -> Iterator[str]:
    """The URL of the server, which is stopped and removed at the end."""
    folder = work / "stock"
    user = server_user(folder)
    ensure_programs(user)
    folder.mkdir(mode=0o700)
    user.own(folder)
    port = free_port()
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories=''"
    _done(run(user, folder, "initdb", ["-D", str(folder), "-U", "postgres", "--auth=trust"], _ENVIRONMENT))
    try:
        started = ["-D", str(folder), "-l", str(folder / "log"), "-o", options, "-w", "start"]
        _done(run(user, folder, "pg_ctl", started, _ENVIRONMENT))
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run(user, folder, "pg_ctl", ["-D", str(folder), "-m", "immediate", "stop"], _ENVIRONMENT)
        shutil.rmtree(folder)


def _done(process: object) -> None:
    if process.returncode:  # type: ignore[attr-defined]
        raise RuntimeError(process.stdout)  # type: ignore[attr-defined]
