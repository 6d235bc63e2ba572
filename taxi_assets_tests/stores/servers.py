import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import psutil
import psycopg

from taxi_assets.stores.postgres import embedded


@contextmanager
def folder_for_server() -> Iterator[Path]:
    """A folder for an embedded server, which is stopped at the end.

    It does not lie in pytest's folder, which every session closes to other users again: the one that the server runs as
    under root would be shut out by whoever runs tests next.
    """
    with tempfile.TemporaryDirectory(prefix="taxi tests ") as parent:
        folder = Path(parent) / "postgres"
        try:
            yield folder
        finally:
            server = embedded.get_server(folder, start=False)
            server.cleanup_mode = "delete"
            server.cleanup()


def spare_the_disk(server: str) -> None:
    """Have a server that no test kills write nothing through to the disk, and copy databases within the kernel."""
    with psycopg.connect(server, autocommit=True) as connection:
        for setting in ("fsync = off", "full_page_writes = off", "file_copy_method = clone"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")


def new_database(server: str, template: str = "template1") -> str:
    """The URL of a database of the caller's own on a server, which costs a tenth of a server of one's own.

    Args:
        server: its URL.
        template: the database of which it is a copy; no connection to that one may be open.
    """
    name = f"tests {uuid4().hex}"
    create = psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")  # less work than through the log
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(create.format(psycopg.sql.Identifier(name), psycopg.sql.Identifier(template)))
    return urlsplit(server)._replace(path=f"/{quote(name)}").geturl()


def name_of_database(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


def kill_server(folder: Path) -> None:
    """Kill the server in the folder with all its processes, as a power cut would."""
    server = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes)
