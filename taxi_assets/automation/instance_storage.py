"""Storage classes that `dagster.yaml` names: run storage, artifacts and compute logs below `Settings.dagster_home`.

YAML takes a fixed path, or a variable that holds a whole one. These classes derive the path from the settings, so that
every Dagster program opens the instance of `taxi`, whatever TAXI_HOME and `.env` set. They subclass private classes of
Dagster, which has no public SQLite storage; see also `dagster_internals`.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage import sql
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from fasteners import InterProcessLock
from sqlalchemy import URL, Engine, create_engine

from taxi_assets.settings import dagster_home_of

_CONFIGURATION = {"base_dir": dg.Field(dg.StringSource, is_required=False)}
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


def _escaped_url(base_dir: str, db_name: str) -> str:
    """The URL of a SQLite file, escaped; Dagster's own function leaves `?` and `%2F` in the path unescaped."""
    return URL.create("sqlite", database=str(Path(base_dir).absolute() / f"{db_name}.db")).render_as_string()


def _cached_engine(url: str, *, connect_args: Mapping[str, int] = MappingProxyType({}), **options: Any) -> Engine:
    """A cached SQLAlchemy engine: Dagster creates one for each event, and each compiles all statements anew.

    That takes a sixth of the CPU time of a small month's run. No connection is kept: the pool is Dagster's own.
    """
    return _engine(url, tuple(connect_args.items()), **options)


@lru_cache(maxsize=16)  # each run has a SQLite file
def _engine(url: str, connect_args: tuple[tuple[str, int], ...], **options: Any) -> Engine:
    return create_engine(url, connect_args=dict(connect_args), **options)


class _ScriptDirectory(ScriptDirectory):
    """Alembic's scripts, loaded once per storage: Dagster loads them for each SQLite file, twice for a new one.

    That takes 20 ms each time. Every run has a new file, and a sensor's tick opens three: that was half of the code
    server's CPU time at rest.
    """

    @classmethod
    @lru_cache(maxsize=3)  # run, event log and schedule storages
    def from_config(cls, config: Config) -> ScriptDirectory:
        return super().from_config(config)


for _module in (sql, command):
    vars(_module).update(ScriptDirectory=_ScriptDirectory)
for _module in (sqlite_run_storage, sqlite_event_log, sqlite_schedule_storage):
    vars(_module).update(create_db_conn_string=_escaped_url, create_engine=_cached_engine)
