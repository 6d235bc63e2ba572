"""Connections to Postgres, the translation of its errors, and locks that do not block other sessions for long.

No state outlasts a transaction: no prepared statement, no session setting, no session lock. PgBouncer's transaction
mode, which gives each transaction another session, therefore makes no difference.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.postgres.conninfo import parameters
from taxi_assets.stores.retries import retry_for

CONNECT_TIMEOUT_SECONDS = 10
# A vanished host is detected within two minutes; with the system's defaults that takes two hours.
_DEAD_PEER_DETECTION: dict[str, Any] = {
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
    "tcp_user_timeout": 120_000,  # milliseconds
}
_LOCK_TIMEOUT_SECONDS = 2  # while this lock request waits, all later users of the table queue behind it
# Settings that this package relies on, and that the server, the database or the role may have changed. The encoding is
# a connection parameter. An administrator's limits, such as statement_timeout, stay. With row_security off, a policy
# causes an error instead of hiding rows.
_SETTINGS = sql.SQL(
    "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC'; "
    "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; "
    "SET LOCAL quote_all_identifiers = off; SET LOCAL row_security = off; SET LOCAL lock_timeout = 0; "
    # The server's side of the detection: a machine that is gone would keep its month's lock for two hours.
    "SET LOCAL tcp_keepalives_idle = 15; SET LOCAL tcp_keepalives_interval = 15; "
    "SET LOCAL tcp_keepalives_count = 5; SET LOCAL tcp_user_timeout = 90000"
)

#: A URL, or a function that returns it at each connection, and first starts the server where that is needed.
Url = str | Callable[[], str]


@contextmanager
def connected(url: Url) -> Iterator[psycopg.Connection]:
    """A connection in autocommit mode outside of `transaction()`; closed at the end.

    Raises:
        InvalidRequest: the URL cannot be read.
        StoreUnavailable: the server does not answer, drops the connection, or is full.
        StoreError: it refuses the login or a statement.
    """
    defaults = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "taxi_assets", **_DEAD_PEER_DETECTION}
    given = parameters(url if isinstance(url, str) else url(), **defaults)
    try:
        with psycopg.connect("", autocommit=True, prepare_threshold=None, **given) as connection:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            yield connection
    except psycopg.Error as error:
        raise _translated(error, given) from error


@contextmanager
def transaction(connection: psycopg.Connection, *, writes: bool = False) -> Iterator[None]:
    """A transaction under the settings that this package relies on.

    Args:
        connection: without an open transaction.
        writes: begin it read-write, also where the server's default is read-only.
    """
    connection.read_only = False if writes else None
    with connection.transaction():
        connection.execute(_SETTINGS)
        yield


def take_advisory_lock(connection: psycopg.Connection, name: str) -> None:
    """Take the advisory lock of that name, until the end of the transaction."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def when_unlocked(connection: psycopg.Connection, patience: float, *statements: sql.SQL | sql.Composed) -> None:
    """Run statements that need an exclusive lock on a table, inside the open transaction.

    Every later reader queues behind a statement that waits for such a lock. The wait is therefore limited to two
    seconds and repeated after a pause; earlier work of the transaction is kept.

    Args:
        connection: with an open transaction.
        patience: seconds after which to give up.
        statements: run all, or none.

    Raises:
        StoreUnavailable: the table was in use all the time.
    """

    def attempt() -> None:
        with connection.transaction():
            timeout = sql.Literal(f"{_LOCK_TIMEOUT_SECONDS}s")
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(timeout))
            for statement in statements:
                connection.execute(statement)
            connection.execute("SET LOCAL lock_timeout = 0")

    retry_for(
        patience,
        attempt,
        f"the table is in use by others for more than {patience:.0f} s; the old rows stay. "
        "SELECT * FROM pg_stat_activity shows by whom",
        on=(psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected),
    )


# Errors: which of them a retry can pass

_TRANSIENT = (
    "08",  # the connection
    "40",  # deadlocks and the like
    "53",  # no room on the disk or in memory, no connection free
    "55006",  # in use
    "55P03",  # locked
    "57P01",  # shut down
    "57P02",  # crashed
    "57P03",  # starting
    "57P05",  # idle for too long
    "58000",
    "58030",  # input or output failed
)
_PERMANENT = ("53400", "40002")  # a configured limit; a deferred constraint
# A refused login has no SQLSTATE. With a server in another language, it is retried in vain.
_REFUSED_LOGINS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "pg_hba.conf rejects",
    "does not exist",
    "permission denied for database",
    "is not permitted to log in",
    "is not currently accepting connections",
    "unsupported startup parameter",
    "server does not support SSL",
    "certificate verify failed",
)
_REMEDIES = {
    "57014": "Where that is statement_timeout, load with a role that has none: ALTER ROLE … SET statement_timeout = 0",
    "25P03": "Load with a role that has no idle_in_transaction_session_timeout",
    "42501": 'The README, under "Point it at real stores", has the grants that loading takes',
    "25006": "This server, or this role, only reads: name the primary server in the URL",
    "22P05": "Make a database with ENCODING 'UTF8'",
}


def _translated(error: psycopg.Error, given: dict[str, Any]) -> StoreError:
    host, database = given.get("host") or "localhost", given.get("dbname") or given.get("user") or "postgres"
    server = f"Postgres at {host}, database {database}"
    if _is_transient(error):
        return StoreUnavailable(f"{server} is unavailable: {_first_line(error)}")
    parts = [f"{server} refused: {_first_line(error)}"]
    if isinstance(error, psycopg.errors.DependentObjectsStillExist) and error.diag.message_detail:
        parts.append(error.diag.message_detail.replace("\n", "; "))
    if error.sqlstate in _REMEDIES:
        parts.append(_REMEDIES[error.sqlstate])
    return StoreError(". ".join(parts))


def _is_transient(error: psycopg.Error) -> bool:
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_TRANSIENT) and error.sqlstate not in _PERMANENT
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return not any(text in str(error) for text in _REFUSED_LOGINS)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
