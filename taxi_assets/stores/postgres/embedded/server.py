"""Start the embedded server, or find it, and count this process among its users.

The library brings the server, keeps count of who uses it, and stops it with the last of them; making and starting it
are done here, since the library believes a half-written file, gives a server ten seconds to recover from a crash, opens
its socket to every user of the machine, and cannot name a folder whose path has a space.
"""

import atexit
import json
import os
import re
import shlex
import signal
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

import psutil
from fasteners import InterProcessLock

from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.postgres.embedded.access import ensure_rules, socket_folder
from taxi_assets.stores.postgres.embedded.initdb import SUPERUSER, ensure_data
from taxi_assets.stores.postgres.embedded.orphans import remove_orphans, table_files
from taxi_assets.stores.postgres.embedded.postmaster import PidFile, running_server
from taxi_assets.stores.postgres.embedded.programs import (
    PostgresServer,
    PostmasterInfo,
    SystemUser,
    ensure_programs,
    get_server,
    run,
    server_user,
)

_START_SECONDS = 300
_SETTINGS = {
    # One machine, one loader, and rows that can be loaded again.
    "wal_level": "minimal",  # a COPY into a table made in the same transaction then needs no write-ahead log
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    # What access relies on.
    "listen_addresses": "",
    "port": "5432",
    "hba_file": "pg_hba.conf",
    "ident_file": "pg_ident.conf",
    "unix_socket_permissions": "0700",
}
# Locks of files do not keep threads of one process apart, and the library's own is not made for threads either.
_THREADS = threading.Lock()


def embedded_url(folder: Path) -> str:
    """The URL of the server whose data lie in the folder; made and started where it is not.

    As root the server runs as a user of its own, `pgserver`, or as whoever owns the data, and that user is let through
    the folders above them.

    Raises:
        StoreUnavailable: the server does not start; the text says why.
        StoreError: it cannot be made there.
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
            "Mend that, or name another server in TAXI_POSTGRES"
        ) from error
    return _url(sockets)


def is_made(folder: Path) -> bool:
    """Whether there is a server's data in the folder."""
    return (folder / "PG_VERSION").exists()


def _ensure_running(folder: Path) -> Path:
    """Return the folder of the socket."""
    user = server_user(folder)
    user.let_through(folder.parent)
    ensure_data(folder, user)
    server = get_server(folder, start=False)
    server.system_user = user.name if user.is_other else None
    _count_in(server)
    changed = ensure_rules(folder, user)
    running = running_server(folder, _START_SECONDS)
    if running is None:
        running = _start(folder, user)
    elif changed and running.pid is not None:
        os.kill(running.pid, signal.SIGHUP)  # made by a version with other rules
    if running.sockets is None:
        raise StoreUnavailable(f"the embedded Postgres in {folder} has no socket: stop it, and it is started anew")
    server._postmaster_info = PostmasterInfo.read_from_pgdata(folder)
    return running.sockets


def _start(folder: Path, user: SystemUser) -> PidFile:
    ensure_programs(user)
    files = table_files(folder)
    settings = {**_SETTINGS, "unix_socket_directories": str(socket_folder(folder, user))}
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    # Its own -D would take a path with a quote or a dollar sign for the shell's.
    tried = run(
        user,
        folder,
        "pg_ctl",
        ["-l", "log", "-o", f"-D {shlex.quote(str(folder))} {options}", "-w", "-t", str(_START_SECONDS), "start"],
        {"PATH": os.defpath, "PGDATA": str(folder)},
    )
    # Where it says no: another pg_ctl, of a process that was killed, may have been quicker.
    running = running_server(folder, _START_SECONDS)
    if running is None or running.sockets is None:
        raise StoreUnavailable(
            f"the embedded Postgres in {folder} does not start: {_reason(folder, tried.stdout)}. "
            "Mend that, or name another server in TAXI_POSTGRES"
        )
    remove_orphans(_url(running.sockets), files)
    return running


def _reason(folder: Path, told: str) -> str:
    log = folder / "log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    why = [line for line in lines[-30:] if re.search(r"\b(FATAL|PANIC)\b", line)]
    if why:
        return f"{why[-1].strip()} ({log})"
    return " ".join(told.split()) + (f" ({log})" if lines else "")


def _count_in(server: PostgresServer) -> None:
    """Count this process among the server's users before it is looked for, or the last of the others might stop it.

    Killed processes are struck off, or nobody would ever count as the last.
    """
    users = server.global_process_id_list
    with server._lock:
        try:
            json.loads(users.path.read_text() or "[]")
        except FileNotFoundError:
            pass
        except ValueError:
            users.path.unlink()  # written half by a process that was killed
        users.get_and_add(os.getpid())
        for pid in json.loads(users.path.read_text()):
            if not psutil.pid_exists(pid):
                users.get_and_remove(pid)
    if server.pgdata not in server._instances:
        server._instances[server.pgdata] = server
        atexit.register(server._cleanup)


def _url(sockets: Path) -> str:
    return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(sockets))}"
