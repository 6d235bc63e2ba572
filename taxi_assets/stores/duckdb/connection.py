"""Concurrent access to a DuckDB file: connections, the writers' lock, and log lines while waiting for it.

DuckDB lets one process write, or several read. A connection is therefore opened for one piece of work and closed after
it, and reading opens the file for reading only. Writers queue on a lock beside the file, `warehouse.duckdb.lock`, which
the kernel releases when its holder ends, however it ends; a reader lets the writer that holds it go first, so that
readers who follow one another keep no writer out.
"""

import fcntl
import logging
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.os_errors import disk_failures

# To insert rows in their order with two threads, 0.9 s instead of 1.6 s for 1,369,769 trips, DuckDB wants to be allowed
# 250 MB for each; it then uses 170 MB in all, and 520 MB for 20,000,000 trips.
_SETTINGS = "SET threads = 2; SET memory_limit = '512MB'"
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_LASTING = ("Permission denied", "not a valid DuckDB database")  # reasons that do not pass by themselves
_FIRST_WORD = 1.0  # seconds of waiting after which it is said for whom
_LONGEST_SILENCE = 60.0  # seconds between two words about it
_logger = logging.getLogger(__name__)
_written_here: set[Path] = set()  # files whose writer's lock this process holds


class DuckDBFile:
    """One database file, shared with other processes and threads.

    Args:
        path: the file.
        patience: seconds to wait for a process that has the file open and is no writer of ours, such as a notebook;
            a reader waits no longer for a writer of ours either.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self.path = path.absolute()
        self._patience = patience

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is a database; a file of no bytes is none."""
        return self.path.exists() and self.path.stat().st_size > 0

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to read with, beside any number of other readers.

        Raises:
            StoreUnavailable: another process kept the file open for writing for longer than the patience.
            StoreError: DuckDB refuses, or the file may not be read.
        """
        self._let_the_writer_go_first()
        with self._failures(), self._opened(read_only=True) as connection:
            yield connection

    @contextmanager
    def writing(self, what: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to write with; one writer at a time has it, and waiting processes log `what` it writes.

        The next one waits for as long as this one lives. The file is made where it is missing, under another name
        first: a process killed while it makes one would leave a file that no DuckDB opens again.

        Raises:
            StoreUnavailable: a process that is no writer of ours kept the file open, or the disk is full.
            StoreError: DuckDB refuses, or the file may not be written.
        """
        with disk_failures(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._turn(what), self._failures():
            if not self.exists():
                self._make()
            with self._opened(read_only=False) as connection:
                yield connection

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _make(self) -> None:
        made = self.path.with_name(f"{self.path.name}.new")
        made.unlink(missing_ok=True)
        duckdb.connect(made).close()
        made.replace(self.path)

    @contextmanager
    def _turn(self, what: str) -> Iterator[None]:
        with disk_failures(self.path.parent):
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            wait = _Wait(self, None)
            # Of the open file and not of the process, as fcntl's locks are, so that threads of one process queue too.
            while not _locked(handle, fcntl.LOCK_EX):
                wait.for_(self._writer())
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"PID {os.getpid()} writes {what}".encode(), 0)
            _written_here.add(self.path)
            yield
        finally:
            _written_here.discard(self.path)
            os.close(handle)

    def _let_the_writer_go_first(self) -> None:
        # What this process writes may be made of what it reads from the same file meanwhile.
        if self.path in _written_here or not os.access(self._lock, os.R_OK):
            return
        handle = os.open(self._lock, os.O_RDONLY)
        try:
            wait = _Wait(self, self._patience)
            while not _locked(handle, fcntl.LOCK_SH):
                wait.for_(self._writer())
        finally:
            os.close(handle)

    def _writer(self) -> str:
        return self._lock.read_text() or "another writer is at work"

    def _opened(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        wait = _Wait(self, self._patience)
        while True:
            try:
                connection = self._connect(read_only=read_only)
            except duckdb.OperationalError as error:
                holder = _holder_in(error)
                if holder is None:
                    first_line = str(error).partition("\n")[0]
                    kind = StoreError if any(reason in first_line for reason in _LASTING) else StoreUnavailable
                    raise kind(f"DuckDB {self} cannot be opened: {first_line}") from error
                wait.for_(holder)
            else:
                # As settings of the connect call they would fail where this process has the file open without them, and
                # they would hold for all its connections: a notebook keeps its own.
                is_only_one = connection.execute("FROM duckdb_connection_count()").fetchall() == [(1,)]
                return connection.execute(_SETTINGS) if is_only_one else connection

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        try:
            return duckdb.connect(self.path, read_only=read_only)
        except duckdb.ConnectionException:
            if not read_only:
                raise
            return duckdb.connect(self.path)  # this process has it open for writing, and shares that

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            first_line = str(error).partition("\n")[0]
            if "No space left" in first_line:
                raise StoreUnavailable(f"no space left for {self}: make room and run it again") from error
            raise StoreError(f"DuckDB {self} refused: {first_line}") from error


class _Wait:
    """Polls until the file is free, and logs after a second, and then now and then, which process holds it.

    In sleeps of Python, which a signal ends.

    Args:
        file: what is waited for.
        patience: seconds after which to give up; None where the other is known to end.
    """

    def __init__(self, file: DuckDBFile, patience: float | None) -> None:
        self._file = file
        self._patience = patience
        self._began = time.monotonic()
        self._next_word = _FIRST_WORD

    def for_(self, holder: str) -> None:
        """Sleep a little, since the holder is still there.

        Raises:
            StoreUnavailable: it has been there for longer than the patience.
        """
        waited = time.monotonic() - self._began
        if self._patience is not None and waited >= self._patience:
            raise StoreUnavailable(
                f"DuckDB {self._file} is in use, and waiting for {self._patience:.0f} s did not help: {holder}. "
                "Try again when that is done; a notebook lets go of the file with connection.close()"
            )
        if waited >= self._next_word:
            limit = "until it is done" if self._patience is None else f"for up to {self._patience:.0f} s"
            # A warning, since Python shows those where nobody has set up logging, as in a notebook.
            _logger.warning("waiting for %s %s (%.0f s so far): %s", self._file, limit, waited, holder)
            self._next_word = waited + min(max(waited, _FIRST_WORD), _LONGEST_SILENCE)
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - spreads them out, decides nothing


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder_in(error: duckdb.Error) -> str | None:
    """The process that has the file open, if that is what the error says."""
    text = str(error)
    found = _HOLDER.search(text)
    if found is not None:
        return f"{Path(found['program']).name} (PID {found['pid']}) has it open"
    if "Could not set lock" in text:
        return "another process has it open"
    if isinstance(error, duckdb.ResourceInUseException | duckdb.ConnectionException):
        # The former passes at once: a thread is closing it just now.
        return f"this process (PID {os.getpid()}) has it open itself, for reading only or with settings of its own"
    return None
