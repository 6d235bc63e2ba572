import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from taxi_assets.errors import SchemaMismatch, SliceMissing, StoreUnavailable
from taxi_assets.stores.duckdb import DuckDBStore
from taxi_assets.stores.lake import LocalLake
from taxi_assets.stores.rows import BATCH_ROWS, Rows
from taxi_assets.stores.slices import Slice

from .contract import FEBRUARY, JANUARY, MONTH_COLUMN, TableContract, assert_same, fares
from .versions import rows_of, version_of

TRIPS = Slice("trips", JANUARY)
HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def store(path: Path) -> DuckDBStore:
    return DuckDBStore(path, "taxi", MONTH_COLUMN)


@pytest.fixture
def impatient(path: Path) -> DuckDBStore:
    """The same store, which does not wait."""
    return DuckDBStore(path, "taxi", MONTH_COLUMN, lock_patience=0)


@contextmanager
def open_elsewhere(path: Path) -> Iterator[None]:
    """Another process has the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate("\n")


class TestDuckDB(TableContract):
    @pytest.fixture
    def store(self, store: DuckDBStore) -> DuckDBStore:
        return store


def test_reading_what_is_not_there_makes_no_file(store: DuckDBStore, path: Path) -> None:
    with pytest.raises(SliceMissing, match="trips: materialize it first"):
        store.read("trips")
    assert not path.exists()


# Others who use the file


def test_a_file_that_another_process_keeps_open_is_unavailable(
    store: DuckDBStore, impatient: DuckDBStore, path: Path
) -> None:
    store.replace(TRIPS, rows_of(1))
    with open_elsewhere(path):
        for use in (
            lambda: impatient.replace(TRIPS, rows_of(2)),
            lambda: impatient.read("trips"),
            lambda: impatient.count(TRIPS),
            lambda: impatient.months("trips"),
        ):
            with pytest.raises(StoreUnavailable, match=f"{path} cannot be opened: .*lock"):
                use()
    assert version_of(impatient, TRIPS) == 1


def test_a_file_that_another_process_has_open_is_waited_for(store: DuckDBStore, path: Path) -> None:
    store.replace(TRIPS, rows_of(1))
    with ThreadPoolExecutor() as thread:
        with open_elsewhere(path):
            replacing = thread.submit(store.replace, TRIPS, rows_of(2))
            with pytest.raises(TimeoutError):
                replacing.result(timeout=0.2)
        replacing.result()
    assert version_of(store, TRIPS) == 2


def test_a_thread_that_writes_for_too_long_makes_the_file_unavailable(
    store: DuckDBStore, impatient: DuckDBStore
) -> None:
    at_work, refused = threading.Event(), threading.Event()

    def slow_batches() -> Iterator[pa.RecordBatch]:
        at_work.set()
        refused.wait()
        yield from rows_of(1).batches()

    with ThreadPoolExecutor() as thread:
        replacing = thread.submit(store.replace, TRIPS, Rows(rows_of(1).schema, slow_batches))
        at_work.wait()
        with pytest.raises(StoreUnavailable, match="written by another thread"):
            impatient.replace(TRIPS, rows_of(2))
        refused.set()
        replacing.result()
    assert version_of(store, TRIPS) == 1


def test_a_connection_of_the_same_process_is_no_obstacle(impatient: DuckDBStore, path: Path) -> None:
    with duckdb.connect(path) as notebook:
        impatient.replace(TRIPS, rows_of(1))
        assert version_of(impatient, TRIPS) == 1
        assert notebook.sql("FROM taxi.trips").count("*").fetchall() == [(30_000,)]


def test_a_reader_in_the_middle_goes_on_with_its_rows(store: DuckDBStore) -> None:
    rows = 3 * BATCH_ROWS
    store.replace(TRIPS, rows_of(1, rows))
    reading = store.read("trips", [JANUARY]).batches()
    first = next(reading)
    store.replace(TRIPS, rows_of(2, rows))
    found = pa.Table.from_batches([first, *reading])
    assert (found.num_rows, found["version"].unique().to_pylist()) == (rows, [1])


# The file


def test_a_schema_may_be_called_as_the_file_is(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "taxi.duckdb", "taxi", MONTH_COLUMN)
    store.replace(TRIPS, rows_of(1))
    assert (version_of(store, TRIPS), store.months("trips")) == (1, [JANUARY])


def test_rows_of_the_lake_are_taken_by_reference(store: DuckDBStore, tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "month=2099-01" / "lake")
    given = fares(1.0, None).append_column(MONTH_COLUMN, pa.repeat(pa.scalar(JANUARY.first_day), 2))
    lake.replace(TRIPS, Rows.from_table(given))
    stored = store.replace(TRIPS, Rows(given.schema, rows_of(1).batches, lake.read("trips").files))
    assert stored.rows == 2
    assert_same(store.read("trips").to_table(), given)


def test_the_file_stays_small_however_often_a_month_is_replaced(store: DuckDBStore, path: Path) -> None:
    store.replace(Slice("trips", FEBRUARY), rows_of(0, rows=10_000))
    store.replace(TRIPS, rows_of(1, rows=10_000))
    small = path.stat().st_size
    for version in range(20):
        store.replace(TRIPS, rows_of(version, rows=10_000))
    assert path.stat().st_size < 2 * small


def test_descriptions_are_comments(store: DuckDBStore, path: Path) -> None:
    for text in ("In dollars.", 'The driver\'s, in "dollars".'):
        fare = pa.field("fare", pa.float64(), metadata={"description": text})
        schema = pa.schema([pa.field("row", pa.int64()), fare], {"description": "What 'trips' cost."})
        store.replace(TRIPS, Rows.from_table(fares(1.0).cast(schema)))
        with duckdb.connect(path) as connection:
            columns = connection.sql("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'trips'")
            assert columns.fetchall() == [
                ("row", None),
                ("fare", text),
                (MONTH_COLUMN, "First day of the month of the partition."),
            ]
            tables = connection.sql("SELECT comment FROM duckdb_tables() WHERE table_name = 'trips'")
            assert tables.fetchall() == [("What 'trips' cost.",)]


def test_a_column_that_somebody_else_made_is_named_where_it_cannot_be_read(store: DuckDBStore, path: Path) -> None:
    store.replace(TRIPS, rows_of(1, rows=1))
    with duckdb.connect(path) as connection:
        connection.execute("ALTER TABLE taxi.trips ADD COLUMN exact DECIMAL(9, 2)")
    with pytest.raises(SchemaMismatch, match=r"column exact has type DECIMAL\(9,2\)"):
        store.read("trips")
