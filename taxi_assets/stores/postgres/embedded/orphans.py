"""Files of tables whose transaction was killed together with the server.

PostgreSQL does not remove them: each kill during a load of a month leaves up to that month's size for ever.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg

from taxi_assets.stores.postgres.conninfo import conninfo

_FILE = re.compile(r"(\d+)(?:_(?:fsm|vm|init))?(?:\.\d+)?")

#: Number of a database -> files of tables that were in its folder.
Files = Mapping[int, list[Path]]


def table_files(folder: Path) -> Files:
    """The files of tables on the disk of a server that does not run."""
    return {
        int(database.name): [file for file in database.iterdir() if _FILE.fullmatch(file.name)]
        for database in (folder / "base").iterdir()
        if database.name.isdigit()
    }


def remove_orphans(url: str, before: Files) -> int:
    """Remove files that were there before the server started and belong to no table now; return their bytes.

    What the files belonged to before the start is decided by the time the server is ready, and new tables never take
    the number of a file that is there: others may use the server meanwhile.

    Args:
        url: of the server, which has recovered.
        before: `table_files` of the time when no server ran.
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
