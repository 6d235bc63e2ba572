"""The emulator's DuckDB with a connection for every thread, so that a load does not stop the readers.

The emulator shares one connection among all its threads: an answer being fetched is lost when another thread executes
something, and nobody can hold a transaction open. Here the event loop's thread keeps that connection; any other thread
gets cursors of it, and a load's thread holds one cursor in a transaction of its own, which others see when it commits.
"""

import importlib.resources
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bqemulator.jobs.executor
import duckdb
import pyarrow as pa
from bqemulator.storage.engine import DuckDBEngine

ANONYMOUS = re.compile(r'"[^"]*___bqemu_anonymous"\."anon(?P<job>[^"]*)"')


class ThreadsEngine(DuckDBEngine):
    """The emulator's engine, safe for many threads."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        # DuckDB looks for pandas whenever it is given parameters, five times over where it is not installed.
        sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
        self._main_thread = threading.get_ident()
        self._of_thread = threading.local()

    def execute(self, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Execute on this thread's transaction, or on its own cursor."""
        if threading.get_ident() == self._main_thread:
            return super().execute(sql, parameters)
        cursor = getattr(self._of_thread, "transaction", None) or self.connection.cursor()
        return cursor.execute(sql, parameters or [])

    def fetch_arrow(self, sql: str, parameters: list[Any] | None = None) -> pa.Table:
        """Fetch from the stored tables, or from the result of a query, which the Storage Read API names as a table."""
        named = ANONYMOUS.search(sql)
        if not named:
            return super().fetch_arrow(sql, parameters)
        results = bqemulator.jobs.executor.JOB_RESULTS
        (result,) = (results[job_id] for job_id in list(results) if job_id.replace("-", "") == named["job"])
        with self.connection.cursor() as cursor:
            cursor.register("result", result)
            return cursor.execute(sql.replace(named[0], "result")).to_arrow_table()

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Everything this thread executes inside happens at once when it ends, or not at all if it fails."""
        cursor = self.connection.cursor()
        self._of_thread.transaction = cursor
        cursor.execute("BEGIN")
        try:
            yield cursor
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        else:
            cursor.execute("COMMIT")
        finally:
            self._of_thread.transaction = None
            cursor.close()

    def _apply_session_pragmas(self) -> None:
        """Give every cursor the time zone that the emulator gives its one connection."""
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET GLOBAL threads = 2")

    def _load_spatial(self) -> None:
        """Load the extension from the wheel that carries it, where the emulator would download it."""
        version = f"v{duckdb.__version__}"
        name = "spatial.duckdb_extension"
        with importlib.resources.as_file(importlib.resources.files("duckdb_extension_spatial")) as package:
            self.connection.execute(f"LOAD '{package / 'extensions' / version / name}'")
