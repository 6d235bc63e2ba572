import socket
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from taxi_assets.errors import InvalidRequest, SchemaMismatch, StoreError, StoreUnavailable, TaxiError
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows

from .contract import FEBRUARY, JANUARY, MONTH_COLUMN, TableContract, assert_same, broken_off, fares, numbered
from .versions import entry_of, rows_of, version_of

TRIPS = TableSlice("trips", JANUARY)
SECRET = "s3cret"  # noqa: S105 - not one

Ask = Callable[..., list[Any]]


@pytest.fixture
def schema(tmp_path: Path) -> str:
    """A schema of the test's own; not there yet."""
    return tmp_path.name


@pytest.fixture
def store(postgres_url: str, schema: str) -> PostgresStore:
    return PostgresStore(postgres_url, schema, MONTH_COLUMN)


@pytest.fixture
def impatient(postgres_url: str, schema: str) -> PostgresStore:
    """The same store, which asks for a lock only once."""
    return PostgresStore(postgres_url, schema, MONTH_COLUMN, lock_patience=0)


@pytest.fixture
def connection(postgres_url: str, schema: str) -> Iterator[psycopg.Connection]:
    """Somebody else's connection, which looks for tables in the test's schema first."""
    with psycopg.connect(postgres_url, options=f"-csearch_path={schema},pg_catalog") as connection:
        yield connection


@pytest.fixture
def ask(connection: psycopg.Connection) -> Ask:
    """The rows that a query gives, without keeping a transaction open; the only value of each where there is one."""
    connection.autocommit = True

    def ask(query: str, *values: object) -> list[Any]:
        rows = connection.execute(query, values).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    return ask


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = monotonic() + 30
    while not condition():
        assert monotonic() < deadline
        sleep(0.01)


class TestPostgres(TableContract):
    as_text = frozenset({"struct", "list of structs"})

    @pytest.fixture
    def store(self, store: PostgresStore) -> PostgresStore:
        return store

    def test_text_with_nul_is_kept(self, store: PostgresStore) -> None:
        # PostgreSQL has no NUL in text: the month is refused, and the old one stays.
        given = numbered(text=pa.array(["before"]))
        self.put(store, JANUARY, given)
        with pytest.raises(StoreError, match="invalid byte sequence"):
            self.put(store, JANUARY, numbered(text=pa.array(["before\0after"])))
        assert_same(self.found(store, JANUARY), given)


# Tables


def test_a_month_is_a_partition(store: PostgresStore, ask: Ask) -> None:
    for month in (Month(2023, 12), JANUARY, Month(2023, 12)):
        store.replace(TableSlice("trips", month), rows_of(1, rows=10))
    assert ask(
        """
        SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c
        JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'trips'::regclass ORDER BY 1
        """
    ) == [
        ("trips_2023_12", "FOR VALUES FROM ('2023-12-01') TO ('2024-01-01')"),
        ("trips_2024_01", "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"),
    ]


def test_only_the_table_and_its_months_are_there(store: PostgresStore, ask: Ask, schema: str) -> None:
    store.replace(TRIPS, rows_of(1))
    with pytest.raises(RuntimeError):
        store.replace(TRIPS, broken_off(rows_of(2), RuntimeError()))
    tables = ask("SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace ORDER BY 1", f'"{schema}"')
    assert tables == ["trips", "trips_2024_01"]


def test_descriptions_are_comments(store: PostgresStore, ask: Ask) -> None:
    for text in ("In dollars.", 'The driver\'s, in "dollars".'):
        fare = pa.field("fare", pa.float64(), metadata={"description": text})
        given = pa.schema([pa.field("row", pa.int64()), fare], {"description": "What 'trips' cost."})
        store.replace(TRIPS, Rows.from_table(fares(1.0).cast(given)))
        assert ask("SELECT obj_description('trips'::regclass)") == ["What 'trips' cost."]
        assert ask("SELECT col_description('trips'::regclass, number) FROM generate_series(1, 3) AS number") == [
            None,
            text,
            "First day of the month of the partition.",
        ]


def test_columns_without_a_value_are_there_and_empty(store: PostgresStore, tmp_path: Path) -> None:
    two_trips = pa.table({"row": [1, 2], "fee": pa.nulls(2, pa.float64())})
    for name, rows in {"some": two_trips, "none": two_trips.slice(2)}.items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        store.replace(TableSlice(name, JANUARY), Rows.from_parquet([tmp_path / f"{name}.parquet"]))
        assert store.read(name).to_table().drop_columns([MONTH_COLUMN]).equals(rows)


@pytest.mark.parametrize("method", ["brin", "btree"])
def test_an_index_that_the_rows_ask_for_is_on_the_partition(store: PostgresStore, ask: Ask, method: str) -> None:
    fare = pa.field("fare", pa.float64(), metadata={"description": "In dollars.", "index": method})
    rows = Rows.from_table(fares(1.0).cast(pa.schema([pa.field("row", pa.int64()), fare])))
    for _ in range(2):
        store.replace(TRIPS, rows)
    [index] = ask("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'trips_2024_01'::regclass")
    assert index.endswith(f"USING {method} (fare)")


def test_an_index_that_there_is_no_way_to_make_is_refused(store: PostgresStore) -> None:
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    fare = pa.field("fare", pa.float64(), metadata={"index": "no_such_method"})
    with pytest.raises(StoreError, match="no_such_method"):
        store.replace(TRIPS, Rows.from_table(fares(2.0).cast(pa.schema([pa.field("row", pa.int64()), fare]))))
    assert store.read("trips").to_table()["fare"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("table", "column"), [("trips" * 12, "fare"), ("trips", "fare" * 16)], ids=["a table", "a column"]
)
def test_a_name_that_postgres_would_cut_is_refused(store: PostgresStore, table: str, column: str) -> None:
    with pytest.raises(SchemaMismatch, match="63 bytes, too few for"):
        store.replace(TableSlice(table, JANUARY), Rows.from_table(pa.table({column: [1.0]})))


def test_a_month_is_not_replaced_as_a_table_of_its_own(store: PostgresStore) -> None:
    store.replace(TRIPS, rows_of(1, rows=2))
    with pytest.raises(
        SchemaMismatch, match=r"trips_2024_01 is a partition of \w+\.trips, whose rows would be replaced"
    ):
        store.replace(TableSlice("trips_2024_01"), rows_of(2, rows=1))
    assert store.count(TRIPS) == 2


def test_a_table_of_its_own_is_not_replaced_as_a_month(store: PostgresStore) -> None:
    single = TableSlice("trips_2024_01")
    store.replace(single, rows_of(2, rows=1))
    with pytest.raises(SchemaMismatch, match=r"trips_2024_01 is no partition of \w+\.trips and has the name of one"):
        store.replace(TRIPS, rows_of(1, rows=2))
    assert store.count(single) == 1


def test_a_column_that_another_month_brings_during_the_load_is_null(store: PostgresStore) -> None:
    def open_batches() -> Iterator[pa.RecordBatch]:
        store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(pa.table({"fare": [2.0], "fee": [0.75]})))
        yield from pa.table({"fare": [1.0]}).to_batches()

    store.replace(TRIPS, Rows(pa.schema({"fare": pa.float64()}), open_batches))
    found = store.read("trips").to_table().select(["fare", "fee"]).sort_by("fare")
    assert found.to_pydict() == {"fare": [1.0, 2.0], "fee": [None, 0.75]}


# Others who use the table


def test_a_long_reader_delays_the_exchange(store: PostgresStore, connection: psycopg.Connection, ask: Ask) -> None:
    store.replace(TRIPS, rows_of(1))
    connection.autocommit = False
    connection.execute("SELECT FROM trips LIMIT 1")
    waiting = "SELECT FROM pg_locks WHERE relation = 'trips'::regclass AND NOT granted"
    with ThreadPoolExecutor() as thread:
        replacing = thread.submit(store.replace, TRIPS, rows_of(2))
        until(lambda: connection.execute(waiting).fetchall())
        assert connection.execute("SELECT DISTINCT version FROM trips").fetchall() == [(1,)]
        connection.commit()
        replacing.result()
    assert version_of(store, TRIPS) == 2


def test_a_reader_longer_than_patience_makes_the_table_unavailable(
    store: PostgresStore, impatient: PostgresStore, connection: psycopg.Connection
) -> None:
    store.replace(TRIPS, rows_of(1))
    connection.execute("SELECT FROM trips LIMIT 1")
    with pytest.raises(StoreUnavailable, match=r"in use by others.*the old rows stay"):
        impatient.replace(TRIPS, rows_of(2))
    assert version_of(store, TRIPS) == 1
    connection.commit()
    impatient.replace(TRIPS, rows_of(3))
    assert version_of(store, TRIPS) == 3


def test_a_server_that_breaks_off_is_unavailable_and_keeps_the_old_rows(store: PostgresStore, ask: Ask) -> None:
    def open_batches() -> Iterator[pa.RecordBatch]:
        batches = rows_of(2).batches()
        yield next(batches)
        ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'taxi_assets'")
        yield from batches

    store.replace(TRIPS, rows_of(1))
    with pytest.raises(StoreUnavailable):
        store.replace(TRIPS, Rows(rows_of(2).schema, open_batches))
    assert version_of(store, TRIPS) == 1


# Secrets


def everything_told(error: BaseException) -> str:
    """What any log of the error could say."""
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.fixture
def guarded_url(postgres_url: str, connection: psycopg.Connection, ask: Ask) -> Iterator[str]:
    """The server's URL for a user who needs a password, and with another one in it."""
    [rules] = map(Path, ask("SHOW hba_file"))
    open_to_all = rules.read_text()
    connection.execute(sql.SQL("CREATE ROLE guarded LOGIN PASSWORD {}").format("the right one"))
    rules.write_text(f"local all guarded scram-sha-256\n{open_to_all}")
    ask("SELECT pg_reload_conf()")
    url = postgres_url.replace("postgres@", f"guarded:{SECRET}@")
    until(lambda: not can_connect(url))
    yield url
    rules.write_text(open_to_all)
    ask("SELECT pg_reload_conf()")
    connection.execute("DROP ROLE guarded")


def can_connect(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def failure(url: str) -> TaxiError:
    """How a replace at that URL fails."""
    with pytest.raises(TaxiError) as caught:
        PostgresStore(url, "taxi", MONTH_COLUMN).replace(TRIPS, rows_of(1, rows=1))
    return caught.value


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(f"postgresql://taxi:{SECRET}@127.0.0.1:{unused.getsockname()[1]}/trips")
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith("Postgres at 127.0.0.1, database trips is unavailable")
    assert SECRET not in everything_told(error)


def test_a_wrong_password_is_not_told(guarded_url: str) -> None:
    error = failure(guarded_url)
    assert not error.retryable
    assert "password authentication failed" in str(error)
    assert SECRET not in everything_told(error)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://taxi:{SECRET}%@127.0.0.1/trips",
        f"postgresql://taxi:{SECRET}@[127.0.0.1/trips",
        f"postgresql://taxi@127.0.0.1/trips?password={SECRET}&no_such_option=1",
        f"password={quote(SECRET)} no_equals_sign",
    ],
)
def test_a_url_that_cannot_be_read_is_not_told(url: str) -> None:
    error = failure(url)
    assert isinstance(error, InvalidRequest)
    assert SECRET not in everything_told(error)


# The audit log


@pytest.mark.parametrize(
    "change", ["UPDATE load_audit SET loaded_rows = 0", "DELETE FROM load_audit WHERE false", "TRUNCATE load_audit"]
)
def test_nobody_changes_what_the_audit_log_says(
    store: PostgresStore, connection: psycopg.Connection, ask: Ask, schema: str, change: str
) -> None:
    store.replace(TRIPS, rows_of(1), entry_of(1))
    with pytest.raises(psycopg.errors.RaiseException, match=f"{schema}.load_audit is append-only"):
        connection.execute(change)
    store.replace(TRIPS, rows_of(2), entry_of(2))
    assert ask("SELECT loaded_rows FROM load_audit ORDER BY started_at") == [30_000, 30_000]


def test_a_line_is_written_by_the_transaction_that_writes_its_rows(store: PostgresStore, ask: Ask) -> None:
    store.replace(TRIPS, rows_of(1), entry_of(1))
    [[line, rows]] = ask("SELECT (SELECT xmin::text FROM load_audit), (SELECT DISTINCT xmin::text FROM trips_2024_01)")
    assert line == rows
