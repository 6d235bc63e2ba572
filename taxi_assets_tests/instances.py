"""Ephemeral Dagster instances whose tables are copied from the first one's.

Dagster creates three for each value that it loads, and makes each by 60 statements and two readings of its migration
scripts: 70 ms of CPU time, which was two thirds of the tests of IO managers.
"""

from typing import Any

from dagster._core.storage.event_log import in_memory as event_logs
from dagster._core.storage.runs import in_memory as runs
from sqlalchemy import Connection, MetaData


class _Copied:
    """Stands for the metadata in a module whose storage calls `create_all` and then stamps the revision."""

    def __init__(self, module: Any, name: str) -> None:
        self._metadata: MetaData = getattr(module, name)
        self._stamp = module.stamp_alembic_rev
        self._script = ""
        module.stamp_alembic_rev = self._stamp_first
        setattr(module, name, self)

    def create_all(self, connection: Connection) -> None:
        """Create the tables, or copy them with the revision."""
        if self._script:
            _raw(connection).executescript(self._script)
        else:
            self._metadata.create_all(connection)

    def _stamp_first(self, config: Any, connection: Connection) -> None:
        if not self._script:
            self._stamp(config, connection)
            self._script = "\n".join(_raw(connection).iterdump())


def copy_tables_of_ephemeral_instances() -> None:
    """Have each ephemeral instance of this process copy the tables of the first one."""
    _Copied(event_logs, "SqlEventLogStorageMetadata")
    _Copied(runs, "RunStorageSqlMetadata")


def _raw(connection: Connection) -> Any:
    return connection.connection.driver_connection
