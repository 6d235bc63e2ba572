"""SQL over rows that lie in the lake, by DuckDB in this process; they are read where they are and not kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from taxi_assets.stores.duckdb.sql import in_files
from taxi_assets.stores.os_errors import damaged
from taxi_assets.stores.rows import Rows

_SETTINGS = "SET threads = 2; SET memory_limit = '300MB'"


def one_answer(rows: Rows, select: str) -> Sequence[Any]:
    """The one row that `SELECT select FROM rows` gives; in the text, the rows are called `{rows}`.

    Raises:
        SliceDamaged: the rows cannot be read; the text names their files.
    """
    with _queried(rows) as (connection, source):
        try:
            return connection.execute(select.replace("{rows}", source)).fetchone() or ()
        except duckdb.Error as error:
            raise damaged(", ".join(rows.files or rows.objects) or "a stream of rows", error) from error


@contextmanager
def _queried(rows: Rows) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    with duckdb.connect() as connection:
        connection.execute(_SETTINGS)
        files = in_files(rows)
        if files:
            yield connection, files
            return
        connection.register("passing_rows", rows.reader())
        yield connection, "passing_rows"
