"""Storage classes that `dagster.yaml` names: run storage, artifacts and compute logs below `Settings.dagster_home`.

YAML takes a fixed path, or a variable that holds a whole one. These classes derive the path from the settings, so that
every Dagster program opens the instance of `taxi`, whatever TAXI_HOME and `.env` set. They subclass private classes of
Dagster, which has no public SQLite storage; see also `dagster_internals`.
"""

import logging
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage import sql, sqlite_storage
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from fasteners import InterProcessLock
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from taxi_assets.automation.prompt_backfills import look_for_backfills_often
from taxi_assets.automation.run_files import copy_of_empty, keep_empty
from taxi_assets.settings import dagster_home_of

_CONFIGURATION = {"base_dir": dg.Field(dg.StringSource, is_required=False)}
_SHARED_FILES = ("/index.db", "/runs.db", "/schedules.db")  # of all runs
_THREADS = threading.RLock()  # a file lock excludes other processes only


class HomeStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage, created once even if several processes open it at first."""

    @classmethod
    def config_type(cls) -> Any:
        """Optional `base_dir`; the default comes from the environment."""
        return _CONFIGURATION

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """Open the storage, and create it if it is missing."""
        folder = _folder(config_value)
        with create_exclusively(folder, "records"):
            return cls(str(folder), inst_data)


class HomeArtifactStorage(LocalArtifactStorage):
    """Dagster's local artifact storage in the home."""

    @classmethod
    def config_type(cls) -> Any:
        """Optional `base_dir`; the default comes from the environment."""
        return _CONFIGURATION

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """The storage in that folder."""
        return cls(str(_folder(config_value)), inst_data)


class HomeComputeLogManager(LocalComputeLogManager):
    """Dagster's local compute logs, in its default folder of the home."""

    @classmethod
    def config_type(cls) -> Any:
        """Optional `base_dir`; the default comes from the environment."""
        return _CONFIGURATION

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """The compute log manager of that folder."""
        return cls(str(_folder(config_value) / "storage"), inst_data=inst_data)


@contextmanager
def create_exclusively(folder: Path, what: str) -> Iterator[None]:
    """Create the folder, and hold a lock on it against other processes and threads while the context is open.

    Two processes that create one SQLite file at once write two Alembic heads to it, and no program can open it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # as a DAGSTER_HOME whose storage is Postgres: nothing to create
        yield
        return
    with _THREADS, InterProcessLock(folder / f".{what}.lock"):
        yield


def _folder(config_value: Mapping[str, str]) -> Path:
    return Path(config_value.get("base_dir") or dagster_home_of())


@lru_cache(maxsize=64)  # Dagster makes it anew for each statement
def _escaped_url(base_dir: str, db_name: str) -> str:
    """The URL of a SQLite file, escaped; Dagster's own function leaves `?` and `%2F` in the path unescaped."""
    return URL.create("sqlite", database=str(Path(base_dir).absolute() / f"{db_name}.db")).render_as_string()


_pools: "weakref.WeakSet[_KeptConnection]" = weakref.WeakSet()


class _KeptConnection(QueuePool):
    """Keeps one connection to a SQLite file open, and opens more while several threads use it at once.

    Dagster opens a connection for each of the 330 statements of a small month's run. Each parses the schema anew, and
    closing it syncs the journal, writes it into the file, and syncs that.
    """

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, pool_size=1, max_overflow=-1, **options)
        # SQLAlchemy names its logger after this class, and Dagster records what loggers of this package say as events:
        # a pool that says something while an event is stored would wait for itself.
        logging.getLogger(f"{__name__}.{type(self).__qualname__}").propagate = False
        event.listen(self, "connect", _note_file)
        event.listen(self, "checkout", _require_same_file)
        _pools.add(self)

    def dispose(self) -> None:
        """Nothing: Dagster disposes of the event log's engine after each statement."""

    def recreate(self) -> "_KeptConnection":
        """Itself: what Dagster goes on with after it disposed of the engine."""
        return self

    def close_idle(self) -> None:
        """Close the connection unless it is in use; the next statement opens another one."""
        super().dispose()


class _KeptConnectionToRun(_KeptConnection):
    """The same for a run's own file, of which a process keeps one open: that of the run it works on.

    Closing the file after each event takes three more syncs of the disk: 20 ms an event instead of 3 on a busy disk,
    and a run has a hundred. The UI shows new events when the file changes, and what is in the journal is no change to
    it, so each commit sets the file's time.
    """

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options)
        event.listen(self, "checkin", _touch_changed)

    def connect(self) -> Any:
        """A connection to this file; that to another run's file is closed first."""
        for other in list(_pools):
            if isinstance(other, _KeptConnectionToRun) and other is not self and other.checkedin():
                other.close_idle()
        return super().connect()


def _touch_changed(connection: Any, record: Any) -> None:
    """Set the file's time if the connection has changed a row since it was last checked in."""
    if connection is not None and connection.total_changes != record.info.get("changes", 0):
        record.info["changes"] = connection.total_changes
        with suppress(FileNotFoundError):
            os.utime(record.info["file"])


def _note_file(connection: Any, record: Any) -> None:
    record.info["file"] = connection.execute("PRAGMA database_list").fetchone()[2]
    record.info["identity"] = _identity_of(record.info["file"])


def _require_same_file(_connection: Any, record: Any, _fairy: Any) -> None:
    """Make the pool reconnect if the file was removed or replaced, as by housekeeping and by a person."""
    if _identity_of(record.info["file"]) != record.info["identity"]:
        raise DisconnectionError


def _identity_of(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - Path costs more than the call, which each statement makes
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _forget_connections() -> None:
    """In a forked process: a SQLite connection must not be used, nor closed, where it was not opened."""
    _of_the_parent.extend(list(_pools))
    _pools.clear()
    _engine.cache_clear()


_of_the_parent: list[_KeptConnection] = []
os.register_at_fork(after_in_child=_forget_connections)


def _cached_engine(url: str, *, poolclass: Any, connect_args: Mapping[str, int] = MappingProxyType({})) -> Engine:
    """A cached SQLAlchemy engine: Dagster creates one for each event, and each compiles all statements anew.

    That takes a sixth of the CPU time of a small month's run.
    """
    del poolclass
    pool = _KeptConnection if url.endswith(_SHARED_FILES) else _KeptConnectionToRun
    return _engine(url, tuple(connect_args.items()), pool)


@lru_cache(maxsize=16)  # each run has a SQLite file
def _engine(url: str, connect_args: tuple[tuple[str, int], ...], pool: Any) -> Engine:
    return create_engine(url, connect_args=dict(connect_args), poolclass=pool)


class _EventLog(SqliteEventLogStorage):
    """Dagster's event log, which an instance disposes of last.

    The file of each run is a copy of an empty one: Dagster creates its tables by 20 statements and syncs the disk after
    each.
    """

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        file = Path(engine.url.database or "")
        is_new = not (for_index_shard or file.exists())
        if is_new and copy_of_empty(file):
            return
        super()._initdb(engine, for_index_shard)
        if is_new:
            keep_empty(file)

    def dispose(self) -> None:
        """Close the kept connections too: the last one to close a file writes its journal into it."""
        super().dispose()
        for pool in list(_pools):
            pool.close_idle()


class _ScriptDirectory(ScriptDirectory):
    """Alembic's scripts, loaded once per storage: Dagster loads them for each SQLite file, twice for a new one.

    That takes 20 ms each time. Every run has a new file, and a sensor's tick opens three: that was half of the code
    server's CPU time at rest.
    """

    @classmethod
    @lru_cache(maxsize=3)  # run, event log and schedule storages
    def from_config(cls, config: Config) -> ScriptDirectory:
        return super().from_config(config)


def load_migration_scripts() -> None:
    """Load the scripts of all three storages, as opening an instance would."""
    for module in (sqlite_run_storage, sqlite_event_log, sqlite_schedule_storage):
        _ScriptDirectory.from_config(sql.get_alembic_config(module.__file__)).get_current_head()


for _module in (sql, command):
    vars(_module).update(ScriptDirectory=_ScriptDirectory)
for _module in (sqlite_run_storage, sqlite_event_log, sqlite_schedule_storage):
    vars(_module).update(create_db_conn_string=_escaped_url, create_engine=_cached_engine)
vars(sqlite_storage).update(SqliteEventLogStorage=_EventLog)
look_for_backfills_often()  # the daemon loads its storage before its loops begin
