"""Concurrent access to a DuckDB file: connections, the writers' lock, and log lines while waiting for it.

DuckDB lets one process write, or several read. A connection is therefore opened for one piece of work and closed after
it, and readers open the file read-only. Writers queue on a lock beside the file, `warehouse.duckdb.lock`, which the
kernel releases when its holder exits for any reason. A reader waits for the writer that holds the lock, so that a
sequence of readers cannot starve a writer.

What a writer does stands in the lock's file until it is done. Whoever finds it there with nobody holding the lock mends
what a kill may have left (`torn_writes`).
"""

import fcntl
import logging
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.duckdb import torn_writes
from taxi_assets.stores.duckdb.engine import Config, is_disk_full, warehouse_settings
from taxi_assets.stores.os_errors import disk_failures

_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_PERMANENT = ("Permission denied", "not a valid DuckDB database")  # reasons for which a retry is useless
_FIRST_LOG = 1.0  # seconds of waiting before the first log line
_LONGEST_SILENCE = 60.0  # seconds between two log lines
# DuckDB refuses a second connection of a process with another config, and Dagster's DuckDB resource has this one.
_DAGSTER_CONFIG: Config = {"custom_user_agent": "dagster"}
_logger = logging.getLogger(__name__)
_written_here: set[Path] = set()  # files whose writer's lock this process holds


class DuckDBFile:
    """One database file, shared with other processes and threads.

    Args:
        path: the file.
        patience: seconds to wait for another program that has the file open, such as a notebook; readers wait no
            longer for this package's writers either.
        config: settings of DuckDB, as `memory_limit` and `threads`.
    """

    def __init__(self, path: Path, patience: float, config: Config) -> None:
        self.path = path.absolute()
        self._patience = patience
        self._config = {**_DAGSTER_CONFIG, **config}

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """True: there is a database; an empty file is none."""
        return self.path.exists() and self.path.stat().st_size > 0

    @contextmanager
    def reading(self, *, little_memory: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to read with, concurrent with any number of other readers.

        Args:
            little_memory: for a query that keeps little, and would otherwise fill the memory with what it has read.

        Raises:
            StoreUnavailable: another process kept the file open for writing for longer than the patience.
            StoreError: DuckDB refuses, or the file cannot be read.
        """
        self._wait_for_writer()
        with self._failures(), self._opened(read_only=True, little_memory=little_memory) as connection:
            yield connection

    @contextmanager
    def writing(self, what: str, *, little_memory: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to write with, for one writer at a time; waiting processes log `what` it writes.

        Writers wait for each other without limit. A missing file is created under another name first: DuckDB cannot
        open a file that a killed process created by half.

        Raises:
            StoreUnavailable: another program kept the file open, or the disk is full.
            StoreError: DuckDB refuses, or the file cannot be written.
        """
        with disk_failures(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._writer_lock(what), self._failures():
            if not self.exists():
                self._create()
            with self._opened(read_only=False, little_memory=little_memory) as connection:
                yield connection

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _create(self) -> None:
        created = self.path.with_name(f"{self.path.name}.new")
        created.unlink(missing_ok=True)
        duckdb.connect(created, config=self._config).close()
        created.replace(self.path)

    @contextmanager
    def _writer_lock(self, what: str) -> Iterator[None]:
        with self._alone(None) as handle:
            with disk_failures(self.path.parent):
                os.pwrite(handle, f"PID {os.getpid()} writes {what}".encode(), 0)
                os.fsync(handle)  # before the file that it speaks of changes, should the power fail
            _written_here.add(self.path)
            try:
                yield
            finally:
                _written_here.discard(self.path)
            os.ftruncate(handle, 0)

    @contextmanager
    def _alone(self, patience: float | None) -> Iterator[int]:
        """The writers' lock, as a handle; what a killed writer left is mended."""
        with disk_failures(self.path.parent):
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            wait = _Wait(self, patience)
            # flock locks the open file, and fcntl.lockf the process: threads of one process have to queue too.
            while not _locked(handle, fcntl.LOCK_EX):
                wait.for_(self._writer())
            if _is_unfinished(handle):
                self._mend()
                os.ftruncate(handle, 0)
            yield handle
        finally:
            os.close(handle)

    def _wait_for_writer(self) -> None:
        # A load of this process may read its rows from the same file: waiting for itself would be a deadlock.
        if self.path in _written_here or not os.access(self._lock, os.R_OK):
            return
        handle = os.open(self._lock, os.O_RDONLY)
        try:
            wait = _Wait(self, self._patience)
            while not _locked(handle, fcntl.LOCK_SH):
                wait.for_(self._writer())
            unfinished = _is_unfinished(handle)
        finally:
            os.close(handle)
        if unfinished and os.access(self._lock, os.W_OK) and os.access(self.path, os.W_OK):
            with self._alone(self._patience):
                pass

    def _mend(self) -> None:
        """Mend what a killed writer left; what cannot be mended is DuckDB's to refuse."""
        if not self.exists():
            return
        try:
            torn = torn_writes.mend(self.path)
        except subprocess.CalledProcessError as error:
            _logger.warning(
                "%s was not looked through after a kill: %s", self, error.stderr.strip().rpartition("\n")[2]
            )
        else:
            if torn:
                _logger.warning("%s: a writer was killed while it wrote metadata (blocks: %d); mended", self, torn)

    def _writer(self) -> str:
        return self._lock.read_text() or "another writer holds the lock"

    def _opened(self, *, read_only: bool, little_memory: bool) -> duckdb.DuckDBPyConnection:
        wait = _Wait(self, self._patience)
        while True:
            try:
                connection = self._connect(read_only=read_only)
            except duckdb.OperationalError as error:
                holder = _holder_in(error)
                if holder is None:
                    first_line = str(error).partition("\n")[0]
                    kind = StoreError if any(reason in first_line for reason in _PERMANENT) else StoreUnavailable
                    raise kind(f"DuckDB {self} cannot be opened: {first_line}") from error
                wait.for_(holder)
            else:
                # Settings apply to all connections of a process to the file, so a notebook's are not overwritten; in
                # the call of connect() they would fail where the process has the file open with others.
                is_only_one = connection.execute("FROM duckdb_connection_count()").fetchall() == [(1,)]
                for setting in warehouse_settings(self._config, little_memory=little_memory) if is_only_one else ():
                    connection.execute(setting)
                return connection

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection that shares what this process has open: with the resource's config, or without any."""
        shared = [(False, self._config), (False, {})]
        for kind, config in [(True, self._config), (True, {}), *shared] if read_only else shared:
            try:
                return duckdb.connect(self.path, read_only=kind, config=config)
            except duckdb.ConnectionException as error:
                other = error
        raise other

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            first_line = str(error).partition("\n")[0]
            if is_disk_full(error):
                raise StoreUnavailable(f"no space left for {self}: make room and run it again") from error
            if "Corrupt database file" in first_line:
                raise StoreError(
                    f"DuckDB {self} is damaged: {first_line}. Move it away with {self.path.name}.wal, and materialize "
                    "again what it held"
                ) from error
            raise StoreError(f"DuckDB {self} refused: {first_line}") from error


class _Wait:
    """Polls until the file is free; logs which process holds it after a second, and then at growing intervals.

    It sleeps in Python and not in the kernel's lock, so that a signal ends the wait.

    Args:
        file: the file to wait for.
        patience: seconds after which to give up; None to wait for a writer of this package, which always ends.
    """

    def __init__(self, file: DuckDBFile, patience: float | None) -> None:
        self._file = file
        self._patience = patience
        self._began = time.monotonic()
        self._next_log = _FIRST_LOG

    def for_(self, holder: str) -> None:
        """Sleep for a moment, since the holder has not released the file.

        Raises:
            StoreUnavailable: the wait has lasted longer than the patience.
        """
        waited = time.monotonic() - self._began
        if self._patience is not None and waited >= self._patience:
            raise StoreUnavailable(
                f"DuckDB {self._file} is in use for more than {self._patience:.0f} s: {holder}. "
                "Run it again after that; a notebook releases the file with connection.close()"
            )
        if waited >= self._next_log:
            limit = "without limit" if self._patience is None else f"for up to {self._patience:.0f} s"
            # A warning, since Python prints those also where logging is not configured, as in a notebook.
            _logger.warning("waiting for %s %s (%.0f s so far): %s", self._file, limit, waited, holder)
            self._next_log = waited + min(max(waited, _FIRST_LOG), _LONGEST_SILENCE)
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - jitter


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_unfinished(handle: int) -> bool:
    """True: the last writer was killed, or failed."""
    return os.fstat(handle).st_size > 0


def _holder_in(error: duckdb.Error) -> str | None:
    """The process that has the file open, where the error names that as the reason."""
    text = str(error)
    found = _HOLDER.search(text)
    if found is not None:
        return f"{Path(found['program']).name} (PID {found['pid']}) has it open"
    if "Could not set lock" in text:
        return "another process has it open"
    if isinstance(error, duckdb.ResourceInUseException | duckdb.ConnectionException):
        # The former ends at once: a thread is closing the file.
        return f"this process (PID {os.getpid()}) has it open itself, for reading only or with settings of its own"
    return None
