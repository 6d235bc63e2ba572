"""Removal of orphaned table files, from transactions that were killed together with the server.

PostgreSQL does not remove them: each kill during the load of a month would leave up to the month's size.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg

from taxi_assets.stores.postgres.conninfo import conninfo

_FILE = re.compile(r"(\d+)(?:_(?:fsm|vm|init))?(?:\.\d+)?")

#: OID of a database -> table files in its folder.
Files = Mapping[int, list[Path]]


def table_files(folder: Path) -> Files:
    """The table files on the disk of a server that does not run."""
    return {
        int(database.name): [file for file in database.iterdir() if _FILE.fullmatch(file.name)]
        for database in (folder / "base").iterdir()
        if database.name.isdigit()
    }


def remove_orphans(url: str, before: Files) -> int:
    """Remove files from before the server's start that belong to no table; return their bytes.

    It is safe beside other clients: recovery has decided about those files by the time the server is ready, and a new
    table never gets the number of an existing file.

    Args:
        url: of the server, which has recovered.
        before: `table_files` from before the start.
    """
    removed = 0
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        databases = connection.execute(
            "SELECT oid::bigint, datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
        ).fetchall()
    for number, name in databases:
        files = before.get(number, [])
        with psycopg.connect(conninfo(url, dbname=name), autocommit=True) as connection:
            used = {
                row[0]
                for row in connection.execute(
                    "SELECT pg_relation_filenode(oid)::bigint FROM pg_class WHERE relkind IN ('r', 'i', 't', 'm', 'S')"
                )
            }
        for file in files:
            found = _FILE.fullmatch(file.name)
            if found is not None and int(found[1]) not in used and file.exists():
                removed += file.stat().st_size
                file.unlink()
    return removed
