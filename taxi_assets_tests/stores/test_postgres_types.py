"""Columns of Postgres that change their type: beside other loads, under views, and only where they have to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows

JANUARY, FEBRUARY = (TableSlice("trips", Month(2024, number)) for number in (1, 2))
SMALL, LARGE = pa.table({"fare": pa.array([1], pa.int16())}), pa.table({"fare": [2**40]})
NULLS, TEXT = pa.table({"fare": pa.nulls(1)}), pa.table({"fare": ["ten"]})


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return tmp_path.name


@pytest.fixture
def store(postgres_url: str, schema: str) -> PostgresStore:
    return PostgresStore(postgres_url, schema)


@pytest.fixture
def connection(postgres_url: str, schema: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True, options=f"-csearch_path={schema}") as connection:
        yield connection


def fares(store: PostgresStore) -> list[Any]:
    found: list[Any] = store.read("trips").to_table().sort_by("source_month")["fare"].to_pylist()
    return found


def put(store: PostgresStore, piece: TableSlice, table: pa.Table) -> None:
    store.replace(piece, Rows.from_table(table))


def put_around(store: PostgresStore, piece: TableSlice, table: pa.Table, *between: tuple[TableSlice, pa.Table]) -> None:
    """Load the table, and the others while it is under way."""
    is_begun, may_end = Event(), Event()

    def batches() -> Iterator[pa.RecordBatch]:
        is_begun.set()
        assert may_end.wait(60)
        yield from table.to_batches()

    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(store.replace, piece, Rows(table.schema, batches))
        try:
            assert is_begun.wait(60)
            for other, rows in between:
                put(store, other, rows)
        finally:
            may_end.set()
        load.result()


def test_a_load_that_runs_while_its_column_is_widened_is_changed_before_it_is_attached(store: PostgresStore) -> None:
    put(store, JANUARY, SMALL)
    put_around(store, JANUARY, SMALL, (FEBRUARY, LARGE))
    assert fares(store) == [1, 2**40]


def test_a_load_without_a_value_takes_the_type_that_another_load_brings_meanwhile(store: PostgresStore) -> None:
    put(store, JANUARY, NULLS)
    put_around(store, JANUARY, NULLS, (FEBRUARY, LARGE))
    assert fares(store) == [None, 2**40]


def test_a_load_whose_values_have_no_place_in_the_type_of_another_fails_and_the_rows_stay(store: PostgresStore) -> None:
    put(store, JANUARY, NULLS)
    with pytest.raises(SchemaMismatch, match="another load has changed fare to bigint meanwhile"):
        put_around(store, JANUARY, TEXT, (FEBRUARY, LARGE))
    assert fares(store) == [None, 2**40]


def test_a_column_that_a_view_selects_is_not_widened_and_the_view_is_named(
    store: PostgresStore, connection: psycopg.Connection[Any]
) -> None:
    put(store, JANUARY, SMALL)
    connection.execute("CREATE VIEW revenue AS SELECT sum(fare) FROM trips")
    with pytest.raises(SchemaMismatch, match=r"used by a view or rule .*revenue.*Drop that"):
        put(store, FEBRUARY, LARGE)
    put(store, FEBRUARY, SMALL)
    assert fares(store) == [1, 1]


def test_only_a_wider_type_rewrites_the_other_partitions(
    store: PostgresStore, connection: psycopg.Connection[Any]
) -> None:
    def file() -> Any:
        return connection.execute("SELECT relfilenode FROM pg_class WHERE oid = 'trips_2024_01'::regclass").fetchone()

    put(store, JANUARY, LARGE)
    before = file()
    for table in (SMALL, NULLS, pa.table({"fare": [1.0, None]}), LARGE):
        put(store, FEBRUARY, table)
    assert file() == before
    put(store, FEBRUARY, pa.table({"fare": pa.array([2**63], pa.uint64())}))
    assert file() != before


def test_lists_and_structs_are_queried_by_the_functions_of_postgres(
    store: PostgresStore, connection: psycopg.Connection[Any]
) -> None:
    stops = pa.array([[{"zone": "JFK", "minutes": 3.5}], None])
    put(store, JANUARY, pa.table({"fare": [1, 2], "stops": stops, "rules": [["duplicate", "stray"], []]}))
    query = "SELECT stops->0->>'zone', 'stray' = ANY(rules), cardinality(rules) FROM trips ORDER BY fare"
    assert connection.execute(query).fetchall() == [("JFK", True, 2), (None, False, 0)]
