"""The parts of the Dagster instance that `dagster.yaml` names: everything below `Settings.dagster_home`.

A path in YAML is fixed or comes whole from a variable; these classes put it together as the settings do, so that every
program of Dagster's opens the instance that `taxi` records in, whatever TAXI_HOME and `.env` say.
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
_THREADS = threading.RLock()  # the lock of a file excludes other processes only


class HomeStorage(DagsterSqliteStorage):
    """Dagster's own SQLite records, made once however many processes open them at first."""

    @classmethod
    def config_type(cls) -> Any:
        """The folder, where it is not that of the environment."""
        return _CONFIGURATION

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """Open the records, or make them."""
        folder = _folder(config_value)
        with made_once(folder, "records"):
            return cls(str(folder), inst_data)


class HomeArtifactStorage(LocalArtifactStorage):
    """What Dagster keeps as files."""

    @classmethod
    def config_type(cls) -> Any:
        """The folder, where it is not that of the environment."""
        return _CONFIGURATION

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """The storage in that folder."""
        return cls(str(_folder(config_value)), inst_data)


class HomeComputeLogManager(LocalComputeLogManager):
    """What runs print, kept where Dagster keeps it by default."""

    @classmethod
    def config_type(cls) -> Any:
        """The folder, where it is not that of the environment."""
        return _CONFIGURATION

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:
        """The logs in that folder."""
        return cls(str(_folder(config_value) / "storage"), inst_data=inst_data)


@contextmanager
def made_once(folder: Path, what: str) -> Iterator[None]:
    """Make the folder, and hold off every other process and thread that would make the same thing in it.

    Two that make one SQLite file leave two heads of its schema in it, and nobody can open it from then on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # nothing can be made here, as in a DAGSTER_HOME whose records are in Postgres
        yield
        return
    with _THREADS, InterProcessLock(folder / f".{what}.lock"):
        yield


def _folder(config_value: Mapping[str, str]) -> Path:
    return Path(config_value.get("base_dir") or dagster_home_of())


def _escaped_url(base_dir: str, db_name: str) -> str:
    """The URL of a SQLite file; Dagster's own function writes a `?` or `%2F` in its path as it is."""
    return URL.create("sqlite", database=str(Path(base_dir).absolute() / f"{db_name}.db")).render_as_string()


def _kept_engine(url: str, *, connect_args: Mapping[str, int] = MappingProxyType({}), **options: Any) -> Engine:
    """The engine of a SQLite file; Dagster makes one for each event, and each compiles all its statements anew.

    That is a sixth of the processor time of a small month's run. No connection is kept: the pool is Dagster's own.
    """
    return _engine(url, tuple(connect_args.items()), **options)


@lru_cache(maxsize=16)  # every run has a file of its own
def _engine(url: str, connect_args: tuple[tuple[str, int], ...], **options: Any) -> Engine:
    return create_engine(url, connect_args=dict(connect_args), **options)


for _module in (sqlite_run_storage, sqlite_event_log, sqlite_schedule_storage):
    vars(_module).update(create_db_conn_string=_escaped_url, create_engine=_kept_engine)
