"""Connections to Postgres, what their errors mean, and how to wait for a lock without making others wait.

Nothing here outlasts a transaction: no prepared statement, no session's setting, no lock of a session. So a pooler that
gives each transaction another session of the server (PgBouncer's transaction mode) makes no difference.
"""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.postgres.conninfo import parameters

CONNECT_TIMEOUT_SECONDS = 10
# A machine that vanished is noticed within two minutes; by the system's own settings it takes two hours.
_NOTICING_DEATH: dict[str, Any] = {
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
    "tcp_user_timeout": 120_000,  # milliseconds
}
_LOCK_TIMEOUT_SECONDS = 2  # for as long as this one waits, everybody who comes later to the table waits too
# What the server, the database and the role may have set otherwise, and what is relied on. The encoding is a parameter
# of the connection. Limits that an administrator sets, such as statement_timeout, are kept. Without row_security a
# policy gives an error rather than a part of the rows.
_SETTINGS = sql.SQL(
    "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC'; "
    "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; "
    "SET LOCAL quote_all_identifiers = off; SET LOCAL row_security = off; SET LOCAL lock_timeout = 0"
)

#: A URL, or what gives it when a connection is made and starts the server first where that is needed.
Url = str | Callable[[], str]


@contextmanager
def connected(url: Url) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement, unless `transaction()` says otherwise; closed at the end.

    Raises:
        InvalidRequest: the URL cannot be read.
        StoreUnavailable: the server does not answer, breaks off, or is full.
        StoreError: it refuses the login, or cannot do what it was asked.
    """
    defaults = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "taxi_assets", **_NOTICING_DEATH}
    given = parameters(url if isinstance(url, str) else url(), **defaults)
    try:
        with psycopg.connect("", autocommit=True, prepare_threshold=None, **given) as connection:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            yield connection
    except psycopg.Error as error:
        raise _translated(error, given) from error


@contextmanager
def transaction(connection: psycopg.Connection, *, writes: bool = False) -> Iterator[None]:
    """A transaction under the settings that this package relies on, whatever the server's are.

    Args:
        connection: without an open transaction.
        writes: it is begun as one that writes, also where the server begins others as reading only.
    """
    connection.read_only = False if writes else None
    with connection.transaction():
        connection.execute(_SETTINGS)
        yield


def wait_for_turn(connection: psycopg.Connection, name: str) -> None:
    """Wait until no other process holds the name, and hold it until the end of the transaction."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def when_unlocked(connection: psycopg.Connection, patience: float, *statements: sql.SQL | sql.Composed) -> None:
    """Run statements that need a table for themselves, inside the transaction that is open.

    A statement that waits for such a lock holds up every later reader, so it gives up after two seconds and asks again
    a little later; what the transaction has done before is kept.

    Args:
        connection: with an open transaction.
        patience: seconds after which to stop asking.
        statements: run together or not at all.

    Raises:
        StoreUnavailable: the table was in use all the time.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            with connection.transaction():
                connection.execute(
                    sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{_LOCK_TIMEOUT_SECONDS}s"))
                )
                for statement in statements:
                    connection.execute(statement)
                connection.execute("SET LOCAL lock_timeout = 0")
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"the table is in use by others for more than {patience:.0f} s; the old rows stay. "
                    "SELECT * FROM pg_stat_activity shows by whom"
                ) from error
            time.sleep(random.uniform(0.1, 1))  # noqa: S311 - spreads writers out, decides nothing
        else:
            return


# Errors: which of them pass by themselves

_PASSES = (
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
_STAYS = ("53400", "40002")  # a configured limit; a deferred constraint
# A login that is refused comes without its code. Servers that speak another language are asked again for nothing.
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
_WHAT_TO_DO = {
    "57014": "Where that is statement_timeout, load with a role that has none: ALTER ROLE … SET statement_timeout = 0",
    "25P03": "Load with a role that has no idle_in_transaction_session_timeout",
    "42501": 'The README, under "Point it at real stores", has the grants that loading takes',
    "25006": "This server, or this role, only reads: name the primary server in the URL",
    "22P05": "Make a database with ENCODING 'UTF8'",
}


def _translated(error: psycopg.Error, given: dict[str, Any]) -> StoreError:
    host, database = given.get("host") or "localhost", given.get("dbname") or given.get("user") or "postgres"
    server = f"Postgres at {host}, database {database}"
    if _may_pass(error):
        return StoreUnavailable(f"{server} is unavailable: {_first_line(error)}")
    told = [f"{server} refused: {_first_line(error)}"]
    if isinstance(error, psycopg.errors.DependentObjectsStillExist) and error.diag.message_detail:
        told.append(error.diag.message_detail.replace("\n", "; "))
    if error.sqlstate in _WHAT_TO_DO:
        told.append(_WHAT_TO_DO[error.sqlstate])
    return StoreError(". ".join(told))


def _may_pass(error: psycopg.Error) -> bool:
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_PASSES) and error.sqlstate not in _STAYS
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return not any(text in str(error) for text in _REFUSED_LOGINS)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
