"""SQL over rows in the lake, by an in-memory DuckDB in this process, which reads the files where they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb

from taxi_assets.stores.duckdb.engine import query_config
from taxi_assets.stores.duckdb.sql import in_files
from taxi_assets.stores.os_errors import damaged
from taxi_assets.stores.rows import Rows


def one_answer(rows: Rows, select: str) -> Sequence[Any]:
    """The single row that the query returns.

    Args:
        rows: the rows to query.
        select: the query, in which `{rows}` stands for the rows.

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
    with duckdb.connect(config=query_config(threads=2)) as connection:
        files = in_files(rows)
        if files:
            yield connection, files
            return
        connection.register("passing_rows", rows.reader())
        yield connection, "passing_rows"
