"""Find or start the embedded server, and register this process as one of its users.

The library brings the programs, keeps the list of a server's users, and stops the server with the last of them. This
package creates and starts the server itself: the library trusts a half-written file, gives a server ten seconds to
recover from a crash, opens its socket to every user of the machine, and fails on a path with a space.
"""

import os
import re
import shlex
import signal
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

from fasteners import InterProcessLock

from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.postgres.embedded.access import ensure_rules, socket_folder
from taxi_assets.stores.postgres.embedded.initdb import SUPERUSER, ensure_data
from taxi_assets.stores.postgres.embedded.orphans import remove_orphans, table_files
from taxi_assets.stores.postgres.embedded.postmaster import PidFile, running_server
from taxi_assets.stores.postgres.embedded.programs import (
    SystemUser,
    ensure_programs,
    get_server,
    run,
    server_user,
)
from taxi_assets.stores.postgres.embedded.registry import read_postmaster, register_process

_START_SECONDS = 300
_SETTINGS = {
    # For one machine with one loader, and rows that can be loaded again.
    "wal_level": "minimal",  # a COPY into a table made in the same transaction then needs no write-ahead log
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    # Required by `access`.
    "listen_addresses": "",
    "port": "5432",
    "hba_file": "pg_hba.conf",
    "ident_file": "pg_ident.conf",
    "unix_socket_permissions": "0700",
}
# Neither the file lock nor the library's own lock excludes threads of one process.
_THREADS = threading.Lock()


def embedded_url(folder: Path) -> str:
    """The URL of the server with its data in the folder; created and started where necessary.

    Under root the server runs as the owner of the data, or else as the user `pgserver`, who gets the right to pass the
    folders above the data.

    Raises:
        StoreUnavailable: the server does not start; the text has the reason.
        StoreError: it cannot be created there.
    """
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        with _THREADS, InterProcessLock(folder.parent / f".{folder.name}.lock"):
            sockets = _ensure_running(folder)
    except (subprocess.SubprocessError, OSError) as error:
        raise StoreUnavailable(
            f"the embedded Postgres in {folder} does not start: {error}. "
            "Fix that, or name another server in TAXI_POSTGRES"
        ) from error
    return _url(sockets)


def is_made(folder: Path) -> bool:
    """True: the folder holds a server's data."""
    return (folder / "PG_VERSION").exists()


def _ensure_running(folder: Path) -> Path:
    """Start the server where it does not run, and return the folder of its socket."""
    user = server_user(folder)
    user.let_through(folder.parent)
    ensure_data(folder, user)
    server = get_server(folder, start=False)
    server.system_user = user.name if user.is_other else None
    register_process(server)
    changed = ensure_rules(folder, user)
    running = running_server(folder, _START_SECONDS)
    if running is None:
        running = _start(folder, user)
    elif changed and running.pid is not None:
        os.kill(running.pid, signal.SIGHUP)  # it was started with the rules of an older version
    if running.sockets is None:
        raise StoreUnavailable(f"the embedded Postgres in {folder} has no socket: stop it, and run it again")
    read_postmaster(server, folder)
    return running.sockets


def _start(folder: Path, user: SystemUser) -> PidFile:
    ensure_programs(user)
    files = table_files(folder)
    settings = {**_SETTINGS, "unix_socket_directories": str(socket_folder(folder, user))}
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    # Not by pg_ctl's -D, which passes a quote or a dollar sign of the path to the shell.
    tried = run(
        user,
        folder,
        "pg_ctl",
        ["-l", "log", "-o", f"-D {shlex.quote(str(folder))} {options}", "-w", "-t", str(_START_SECONDS), "start"],
        {"PATH": os.defpath, "PGDATA": str(folder)},
    )
    # Also where it failed: another pg_ctl, of a killed process, may have been faster.
    running = running_server(folder, _START_SECONDS)
    if running is None or running.sockets is None:
        raise StoreUnavailable(
            f"the embedded Postgres in {folder} does not start: {_reason(folder, tried.stdout)}. "
            "Fix that, or name another server in TAXI_POSTGRES"
        )
    remove_orphans(_url(running.sockets), files)
    return running


def _reason(folder: Path, output: str) -> str:
    log = folder / "log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    why = [line for line in lines[-30:] if re.search(r"\b(FATAL|PANIC)\b", line)]
    if why:
        return f"{why[-1].strip()} ({log})"
    return " ".join(output.split()) + (f" ({log})" if lines else "")


def _url(sockets: Path) -> str:
    return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(sockets))}"
