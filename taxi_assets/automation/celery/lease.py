"""The lease of a run: an advisory lock in Dagster's database, which the run's process holds as long as it lives.

The server releases it at once when the process ends, and after 105 seconds when its machine is silent. Who holds it is
alive; no worker is asked, which would not answer while it drains. A process without an answer for 75 seconds ends
itself, before another one can get the lease. What a run publishes is fenced besides, since a machine can stand still
between two instructions: see `io_managers.common.interrupt_if_run_ended`.

The database must be reached directly, or through a pooler in session mode: the lock belongs to the session.
"""

import hashlib
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg
import sqlalchemy as sql

from taxi_assets.errors import InvalidRequest
from taxi_assets.settings.urls import without_login
from taxi_assets.stores.postgres.conninfo import parameters

SILENCE = 75  # seconds without an answer after which the process ends itself; a cut of a minute is survived
# Seconds of silence after which the server ends the session, and with it the lock. Of a process that was killed, Linux
# sends what lies in its sockets for 108 seconds, and the launcher gives the run up 15 seconds after the server did.
SERVER_PATIENCE = 105
GRACE = 30  # seconds that a run has to end by itself after others recorded its end
_INTERVAL = 5
_PAUSE = 1  # before the next attempt to connect
_CONNECT_TIMEOUT = 5
_ENDED = {dg.DagsterEventType.RUN_FAILURE.value, dg.DagsterEventType.RUN_CANCELED.value}
_CANCELING = dg.DagsterEventType.RUN_CANCELING.value
_STARTED = dg.DagsterEventType.RUN_START.value
_PROBES = 15  # seconds between them
# The server's side, set in the session, so that the server needs no configuration.
_SESSION = (
    f"SET tcp_keepalives_idle = {_PROBES}; SET tcp_keepalives_interval = {_PROBES}; "
    f"SET tcp_keepalives_count = {SERVER_PATIENCE // _PROBES - 1}; SET tcp_user_timeout = {SERVER_PATIENCE * 1000}; "
    f"SET lock_timeout = {_CONNECT_TIMEOUT * 1000}"
)
# This side: a connection without an answer is replaced soon, so that a process goes on right after a short cut.
_CLIENT = {
    "connect_timeout": _CONNECT_TIMEOUT,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
    "application_name": "taxi run",
}
_HOLDERS = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((classid::bigint << 32) | objid::bigint) = {key}"
)
# Celery's log, a file or the journal: Dagster writes what `taxi_assets` logs to the very database that does not answer.
_LOG = logging.getLogger("celery.lease")


class LeaseTaken(Exception):
    """Another process holds the run's lease: the run is under way there."""


def holder(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The address of the machine whose process holds the run's lease; None where no process does."""
    query = (
        "SELECT coalesce(host(client_addr), 'the host of the database') FROM pg_stat_activity "
        f"WHERE pid IN ({_HOLDERS.format(key=_key(run_id))})"
    )
    with _storage(instance).connect() as connection:
        row = connection.execute(sql.text(query)).fetchone()
    return None if row is None else str(row[0])


def records_place(instance: dg.DagsterInstance) -> str:
    """The database of the instance's records, without login and options."""
    return without_login(str(_storage(instance).postgres_url)).partition("?")[0]


@contextmanager
def lease(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the run's lease in this process.

    Meanwhile, a requested cancellation interrupts the main thread; so does the run's end where others recorded it, and
    ends the process if it goes on. A lost database ends the process with SIGKILL.

    Raises:
        LeaseTaken: another process holds it.
        psycopg.OperationalError: the database does not answer.
    """
    keeper = _Keeper(instance, run_id)
    keeper.take()
    threads = [threading.Thread(target=one, daemon=True) for one in (keeper.keep, keeper.watch)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        keeper.over.set()
        for thread in threads:
            thread.join(2 * _CONNECT_TIMEOUT)


class _Keeper:
    """Takes the lease, keeps it, and acts on what is recorded of the run."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self.over = threading.Event()
        self._instance = instance
        self._run_id = run_id
        self._url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", _storage(instance).postgres_url)
        self._connection: psycopg.Connection | None = None
        self._session = 0
        self._answered = time.monotonic()
        self._end_at: float | None = None
        self._is_interrupted = False

    def take(self) -> None:
        """Take the lease, or raise `LeaseTaken`."""
        connection = self._connect()
        row = connection.execute(f"SELECT pg_try_advisory_lock({_key(self._run_id)})").fetchone()
        if row is None or not row[0]:
            connection.close()
            raise LeaseTaken(self._run_id)
        self._connection, self._session = connection, connection.info.backend_pid

    def keep(self) -> None:
        """Ask the database every five seconds, by a new connection where the former one has no answer."""
        while not self.over.wait(_INTERVAL if self._connection else _PAUSE):
            try:
                if self._connection is None:
                    self._take_again()
                self._act_on(self._events())
                self._answered = time.monotonic()
            except (psycopg.Error, sql.exc.SQLAlchemyError) as error:
                _LOG.warning("run %s has no answer from Dagster's database: %s", self._run_id, error)
                self._disconnect()
        self._disconnect()

    def watch(self) -> None:
        """End the process in time, also where a request hangs or the machine stood still."""
        while not self.over.wait(1):
            if time.monotonic() - self._answered > SILENCE:
                self._end_process(f"Dagster's database has not answered for {SILENCE} s, so another may make the run")
            if self._end_at is not None and time.monotonic() > self._end_at:
                self._end_process(f"the run's end was recorded {GRACE} s ago")

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect("", autocommit=True, prepare_threshold=None, **parameters(self._url, **_CLIENT))
        connection.execute(_SESSION)
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take_again(self) -> None:
        """Take the lock in a new session, after the end of the former, which the server may still believe alive."""
        connection = self._connect()
        try:
            holders = _HOLDERS.format(key=_key(self._run_id))
            connection.execute(
                f"SELECT pg_terminate_backend(pid) FROM ({holders}) AS held WHERE pid = %s", [self._session]
            )
            connection.execute(f"SELECT pg_advisory_lock({_key(self._run_id)})")
        except psycopg.Error:
            connection.close()
            raise
        self._connection, self._session = connection, connection.info.backend_pid

    def _events(self) -> set[str]:
        """The kinds of events that are recorded of the run, of those that start or end it."""
        if self._connection is None:
            raise AssertionError("without a connection")
        query = "SELECT DISTINCT dagster_event_type FROM event_logs WHERE run_id = %s AND dagster_event_type = ANY(%s)"
        return {kind for (kind,) in self._connection.execute(query, [self._run_id, [*_ENDED, _CANCELING, _STARTED]])}

    def _act_on(self, events: set[str]) -> None:
        if events & _ENDED:
            self._end_at = self._end_at or time.monotonic() + GRACE
            self._interrupt()
        elif events >= {_CANCELING, _STARTED} and not self._is_interrupted:
            self._restore_canceling()
            self._interrupt()

    def _interrupt(self) -> None:
        if not self._is_interrupted:
            self._is_interrupted = True
            os.kill(os.getpid(), signal.SIGINT)  # Dagster raises it in the main thread where it can

    def _restore_canceling(self) -> None:
        """Undo what a run does that is canceled while it starts: it overwrites its status.

        By its status alone Dagster records an interrupt as canceled, and not as a failure, which is made again.
        """
        run = self._instance.get_run_by_id(self._run_id)
        if run is not None and run.status == dg.DagsterRunStatus.STARTED:
            self._instance.report_run_canceling(run)

    def _end_process(self, why: str) -> None:
        threading.Timer(1, _kill_process).start()  # in case the log hangs as well
        _LOG.error("ending the process of run %s: %s", self._run_id, why)
        _kill_process()


def _kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _key(run_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"taxi run {run_id}".encode()).digest()[:8], signed=True)


def _storage(instance: dg.DagsterInstance) -> Any:
    storage = instance.run_storage
    if not hasattr(storage, "postgres_url"):
        raise InvalidRequest(
            f"dagster.yaml keeps runs in {type(storage).__name__}: runs on several machines need `storage: postgres`"
        )
    return storage
