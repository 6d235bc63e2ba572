"""Loads do not depend on how the server, its databases and roles, the environment or a pooler are set up."""

import os
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from taxi_assets.errors import InvalidRequest, StoreError, StoreUnavailable, TaxiError
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.postgres.connection import connected
from taxi_assets.stores.postgres.conninfo import parameters
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows

from .contract import FEBRUARY, JANUARY, MONTH_COLUMN, fares, numbered
from .versions import entry_of

TRIPS = TableSlice("trips", JANUARY)
SECRET = "s3cr3t/with@all?of:it%"  # noqa: S105 - not one
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def on(url: str, *, database: str = "postgres", role: str = "postgres") -> str:
    """The embedded server's URL for another database or role."""
    return url.replace("//postgres@/postgres", f"//{role}@/{database}")


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A name of the test's own, for a schema, a database or a role."""
    return tmp_path.name


@pytest.fixture
def database(postgres_url: str, name: str) -> Iterator[str]:
    """The URL of a database of the test's own, in an encoding that knows nothing but bytes."""
    execute(postgres_url, f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    yield on(postgres_url, database=name)
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def role(postgres_url: str, name: str) -> Iterator[str]:
    """A role without any right; what it owns goes with it."""
    execute(postgres_url, f'CREATE ROLE "{name}" LOGIN')
    yield name
    execute(postgres_url, f'DROP OWNED BY "{name}" CASCADE', f'DROP ROLE "{name}"')


def loads_and_reads(store: PostgresStore) -> None:
    """Load months and a table with a audit log's line, and find them again."""
    texts = numbered(zone=pa.array(["Zoë", "Łódź", None]))
    for month in (JANUARY, FEBRUARY, JANUARY):
        store.replace(TableSlice("trips", month), Rows.from_table(texts), entry_of(1))
    store.replace(TableSlice("zones"), Rows.from_table(texts), entry_of(1))
    assert store.months("trips") == [JANUARY, FEBRUARY]
    assert store.read("trips", [JANUARY]).to_table()["zone"].to_pylist() == ["Zoë", "Łódź", None]
    assert store.row(TRIPS, {"row": 1})["zone"] == "Łódź"
    assert store.count(TableSlice("zones")) == 3
    assert len(store.read("load_audit").to_table()) == 4


ODD_SETTINGS = {
    "datestyle": "sql, dmy",
    "intervalstyle": "sql_standard",
    "timezone": "'Asia/Tokyo'",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "search_path": "nowhere",
    "standard_conforming_strings": "off",
    "lock_timeout": "'1ms'",
    "quote_all_identifiers": "on",
    "client_encoding": "LATIN1",
}


def test_settings_of_the_database_make_no_difference(database: str, name: str) -> None:
    execute(database, *(f'ALTER DATABASE "{name}" SET {setting} = {value}' for setting, value in ODD_SETTINGS.items()))
    loads_and_reads(PostgresStore(database, "taxi", MONTH_COLUMN))


def test_the_environment_makes_no_difference(
    postgres_url: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "services").write_text("[other]\nhost=nowhere.invalid\nport=1\ndbname=nothing\nuser=nobody\n")
    for variable, value in {
        "PGOPTIONS": "-c default_transaction_read_only=on -c statement_timeout=1ms",
        "PGCLIENTENCODING": "LATIN1",
        "PGDATESTYLE": "German",
        "PGTZ": "Asia/Tokyo",
        "PGPORT": "6543",
        "PGHOST": "nowhere.invalid",
        "PGHOSTADDR": "192.0.2.1",
        "PGDATABASE": "nothing",
        "PGUSER": "nobody",
        "PGSERVICE": "other",
        "PGSERVICEFILE": str(tmp_path / "services"),
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(variable, value)
    loads_and_reads(PostgresStore(postgres_url, name, MONTH_COLUMN))


def test_text_that_the_database_has_no_letters_for_is_refused_and_other_text_is_kept(
    postgres_url: str, name: str
) -> None:
    execute(postgres_url, f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    store = PostgresStore(on(postgres_url, database=name), "taxi", MONTH_COLUMN)
    store.replace(TRIPS, Rows.from_table(numbered(zone=pa.array(["Zoë"]))))
    with psycopg.connect(on(postgres_url, database=name), client_encoding="utf8") as connection:
        assert connection.execute("SELECT zone, octet_length(zone) FROM taxi.trips").fetchall() == [("Zoë", 3)]
    with pytest.raises(StoreError, match="ENCODING 'UTF8'"):
        store.replace(TRIPS, Rows.from_table(numbered(zone=pa.array(["Łódź"]))))
    assert store.read("trips").to_table()["zone"].to_pylist() == ["Zoë"]
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


# Rights


def test_the_grants_of_the_readme_suffice(postgres_url: str, role: str) -> None:
    execute(
        postgres_url,
        "REVOKE CREATE, TEMPORARY ON DATABASE postgres FROM PUBLIC",
        f'CREATE SCHEMA "{role}"',
        f'GRANT USAGE, CREATE ON SCHEMA "{role}" TO "{role}"',
    )
    loads_and_reads(PostgresStore(on(postgres_url, role=role), role, MONTH_COLUMN))
    with pytest.raises(StoreError, match="has the grants that loading takes") as caught:
        PostgresStore(on(postgres_url, role=role), f"{role}_other", MONTH_COLUMN).replace(
            TRIPS, Rows.from_table(fares(1.0))
        )
    assert not caught.value.retryable


def test_rows_that_a_policy_hides_are_not_taken_for_missing(postgres_url: str, role: str, name: str) -> None:
    PostgresStore(postgres_url, name, MONTH_COLUMN).replace(TableSlice("zones"), Rows.from_table(fares(1.0)))
    execute(
        postgres_url,
        f'ALTER TABLE "{name}".zones ENABLE ROW LEVEL SECURITY',
        f'GRANT USAGE ON SCHEMA "{name}" TO "{role}"',
        f'GRANT SELECT ON "{name}".zones TO "{role}"',
    )
    with pytest.raises(StoreError, match="row-level security"):
        PostgresStore(on(postgres_url, role=role), name, MONTH_COLUMN).count(TableSlice("zones"))


# Errors


def error_of(url: str) -> TaxiError:
    with pytest.raises(TaxiError) as caught:
        PostgresStore(url, "taxi", MONTH_COLUMN).replace(TRIPS, Rows.from_table(fares(1.0)))
    return caught.value


def test_a_statement_timeout_does_not_pass_by_itself(postgres_url: str, role: str) -> None:
    execute(
        postgres_url,
        f'CREATE SCHEMA "{role}" AUTHORIZATION "{role}"',
        f"ALTER ROLE \"{role}\" SET statement_timeout = '300ms'",
    )

    def slow_batches() -> Iterator[pa.RecordBatch]:
        time.sleep(0.6)
        yield from fares(1.0).to_batches()

    store = PostgresStore(on(postgres_url, role=role), role, MONTH_COLUMN)
    with pytest.raises(StoreError, match=r"ALTER ROLE … SET statement_timeout") as caught:
        store.replace(TRIPS, Rows(fares(1.0).schema, slow_batches))
    assert not caught.value.retryable


def test_a_database_or_a_role_that_is_not_there_does_not_come_by_itself(postgres_url: str) -> None:
    for url in (on(postgres_url, database="nothing"), on(postgres_url, role="nobody")):
        error = error_of(url)
        assert not error.retryable
        assert "does not exist" in str(error)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (psycopg.errors.DiskFull, True),
        (psycopg.errors.TooManyConnections, True),
        (psycopg.errors.AdminShutdown, True),
        (psycopg.errors.SerializationFailure, True),
        (psycopg.errors.LockNotAvailable, True),
        (psycopg.errors.ConnectionFailure, True),
        (psycopg.errors.QueryCanceled, False),
        (psycopg.errors.ConfigurationLimitExceeded, False),
        (psycopg.errors.TooManyColumns, False),
        (psycopg.errors.InvalidPassword, False),
        (psycopg.errors.DatabaseDropped, False),
        (psycopg.errors.ObjectNotInPrerequisiteState, False),
        (psycopg.errors.DataCorrupted, False),
    ],
)
def test_only_errors_that_pass_by_themselves_are_retried(
    postgres_url: str, error: type[psycopg.Error], retryable: bool
) -> None:
    # By SQLSTATE, raised by the server itself: most cannot be brought about in a test.
    with pytest.raises(StoreError) as caught, connected(postgres_url) as connection:
        connection.execute(
            sql.SQL("DO $$BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = {}; END$$").format(
                sql.Literal(error.sqlstate)
            )
        )
    assert caught.value.retryable is retryable
    assert isinstance(caught.value, StoreUnavailable) is retryable


# URLs


def test_an_option_of_another_client_is_named_and_nothing_else() -> None:
    with pytest.raises(InvalidRequest, match="pgbouncer") as caught:
        parameters(f"postgresql://taxi:{quote(SECRET, safe='')}@127.0.0.1/trips?pgbouncer=true&sslmode=disable")
    assert "s3cr3t" not in repr(caught.value)
    assert "sslmode" not in str(caught.value)


@pytest.mark.parametrize("password", ["Kv7@Qz9", "Kv7/Qz9", "Kv7/Q@Qz9", "Kv7?Qz9=1", "Kv7?Qz9=1@Kv7", "Kv7%", "Kv7#1"])
def test_a_password_that_is_not_encoded_is_repeated_nowhere(password: str) -> None:
    try:
        given = parameters(f"postgresql://taxi:{password}@127.0.0.1:1/trips")
    except InvalidRequest as error:
        assert "Kv7" not in "".join(traceback.format_exception(error))
        assert "Qz9" not in "".join(traceback.format_exception(error))
    else:
        assert (given["password"], given["host"]) == (password, "127.0.0.1")


def test_the_hosts_of_a_url_are_asked_in_turn(postgres_url: str, name: str) -> None:
    folder = parse_qs(urlsplit(postgres_url).query)["host"][0]
    url = f"postgresql://postgres@{quote('/nowhere', safe='')},{quote(folder, safe='')}/postgres"
    store = PostgresStore(url + "?target_session_attrs=read-write", name, MONTH_COLUMN)
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    assert store.months("trips") == [JANUARY]


# Poolers


def test_nothing_is_prepared_and_nothing_is_set_for_the_session(postgres_url: str, name: str) -> None:
    store = PostgresStore(postgres_url, name, MONTH_COLUMN)
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    with connected(postgres_url) as connection:
        before = connection.execute("SELECT name, setting FROM pg_settings ORDER BY 1").fetchall()
        for number in range(10):
            connection.execute("SELECT %s::int", [number])
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        for _ in store.read("trips").batches():
            pass
        assert connection.execute("SELECT name, setting FROM pg_settings ORDER BY 1").fetchall() == before


@pytest.fixture
def pooled_url(postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """The server behind a real PgBouncer with two sessions, in which every transaction takes the next one."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed")
    socket = parse_qs(urlsplit(postgres_url).query)["host"][0]
    with tempfile.TemporaryDirectory(prefix="pool") as folder:
        root = os.geteuid() == 0
        (Path(folder) / "users.txt").write_text('"postgres" ""\n')
        (Path(folder) / "pgbouncer.ini").write_text(
            f"[databases]\n* = host='{socket}' dbname=postgres user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nlisten_port = 6432\nauth_type = any\n"
            f"auth_file = {folder}/users.txt\npool_mode = transaction\ndefault_pool_size = 2\nserver_round_robin = 1\n"
        )
        Path(folder).chmod(0o755)
        user = {"user": Path(socket).owner(), "group": Path(socket).group(), "extra_groups": []} if root else {}
        if root:
            shutil.chown(folder, Path(socket).owner())
        with subprocess.Popen(
            [PGBOUNCER, f"{folder}/pgbouncer.ini"], **user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as pooler:
            url = f"postgresql://postgres@/postgres?host={folder}&port=6432"
            give_up = time.monotonic() + 30
            while not can_connect(url):
                assert pooler.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)
            yield url
            pooler.terminate()


def can_connect(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        return True
    return False


def test_loads_go_through_pgbouncer_in_transaction_mode(pooled_url: str, name: str) -> None:
    loads_and_reads(PostgresStore(pooled_url, name, MONTH_COLUMN))
