"""SQL fragments for DuckDB: names, literals where a value cannot be bound, files, and streams of rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from typing import TYPE_CHECKING

import pyarrow as pa

from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:
    import duckdb


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def in_files(rows: Rows) -> str | None:
    """The FROM expression that reads the rows' files, downloaded first from a bucket; None: they have no files."""
    files = ", ".join(literal(escape(file)) for file in rows.local_files())
    return f"read_parquet([{files}], hive_partitioning = false)" if files else None


@contextmanager
def streamed(connection: "duckdb.DuckDBPyConnection", name: str, rows: Rows) -> Iterator[None]:
    """Register the rows as a view of that name, for one statement; an exception of the stream is raised unchanged."""
    failures: list[BaseException] = []

    def open_batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows.batches()
        except (Exception, KeyboardInterrupt) as error:
            failures.append(error)
            raise

    connection.register(name, Rows(rows.schema, open_batches).reader())
    try:
        yield
    finally:
        if failures:  # DuckDB keeps only its text, and whether to retry depends on its type
            raise failures[0]
