"""Connections to Postgres, what their errors mean, and how to wait for a lock without making others wait."""

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from taxi_assets.errors import InvalidRequest, StoreError, StoreUnavailable

CONNECT_TIMEOUT_SECONDS = 10
# A machine that vanished is noticed within two minutes; by the system's own settings it takes two hours.
_NOTICING_DEATH: dict[str, Any] = {
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
    "tcp_user_timeout": 120_000,  # milliseconds
}
_LOCK_TIMEOUT_SECONDS = 2  # for as long as this one waits, everybody who comes later to the table waits too


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement, unless `transaction()` says otherwise; closed at the end.

    Raises:
        InvalidRequest: the URL cannot be read.
        StoreUnavailable: the server does not answer, breaks off, refuses the login or is full.
        StoreError: it cannot do what it was asked.
    """
    server = _server(url)
    try:
        with psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="taxi_assets",
            **_NOTICING_DEATH,
        ) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailable(f"Postgres {server} is unavailable: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise StoreError(f"Postgres {server} refused: {_first_line(error)}") from error


def wait_for_turn(connection: psycopg.Connection, name: str) -> None:
    """Wait until no other process holds the name, and hold it until the end of the transaction."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def when_unlocked(connection: psycopg.Connection, patience: float, *statements: sql.Composed) -> None:
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
                connection.execute("SET LOCAL lock_timeout = DEFAULT")
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"the table is in use by others for more than {patience:.0f} s; the old rows stay. "
                    "SELECT * FROM pg_stat_activity shows by whom"
                ) from error
            time.sleep(random.uniform(0.1, 1))  # noqa: S311 - spreads writers out, decides nothing
        else:
            return


def _server(url: str) -> str:
    try:
        told = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # From nothing: its text repeats the piece that cannot be read, which may well be the password.
        raise InvalidRequest(
            "the Postgres URL cannot be read: write postgresql://user:password@host:5432/database, "
            "with percent-encoding for what is special in a URL"
        ) from None
    return f"at {told.get('host', 'localhost')}, database {told.get('dbname', 'postgres')}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
