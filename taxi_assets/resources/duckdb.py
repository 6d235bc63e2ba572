"""DuckDB resource: connections to a database file, for SQL assets and for the IO manager."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster_duckdb

if TYPE_CHECKING:
    import duckdb


class DuckDBResource(dagster_duckdb.DuckDBResource):
    """Dagster's DuckDB resource; closes the connection if the body raises.

    That of dagster-duckdb 0.29.27 stays open then, inside its transaction, for as long as something keeps the
    traceback, and locks every other process out of the file.
    """

    @contextmanager
    def get_connection(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection to the file, closed at the end, also after an exception."""
        opening = super().get_connection()
        connection = opening.__enter__()
        try:
            yield connection
        finally:
            connection.close()
