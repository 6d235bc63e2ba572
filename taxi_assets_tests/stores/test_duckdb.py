import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import SchemaMismatch, SliceMissing, StoreError, StoreUnavailable
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.rows import BATCH_ROWS, Rows

from .contract import FEBRUARY, JANUARY, MONTH_COLUMN, TableContract, assert_same, fares
from .versions import rows_of, version_of

TRIPS = TableSlice("trips", JANUARY)
HOLD = """
import duckdb, sys
held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reading")
print("open", flush=True)
sys.stdin.readline()
"""
REPLACE = """
import sys
from pathlib import Path
import pyarrow as pa
from taxi_assets.month import Month
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.base import TableSlice

def batches():
    print("open", flush=True)
    sys.stdin.readline()
    yield from pa.table({"fare": [1.0]}).to_batches()

store = DuckDBStore(Path(sys.argv[1]), "taxi", "source_month")
store.replace(TableSlice("trips", Month(2024, 1)), Rows(pa.schema({"fare": pa.float64()}), batches))
"""


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
def elsewhere(program: str, path: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """Another process has the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", program, path, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield process
        process.communicate("\n")


def read_in_every_way(store: DuckDBStore) -> None:
    """Ask the store for all that it tells."""
    assert store.read("trips").to_table().num_rows == store.count(TRIPS) == 30_000
    assert store.months("trips") == [JANUARY]
    assert store.row(TRIPS, {"row": 7})["version"] == 1
    assert store.digest(TRIPS, {}, "row").rows == 30_000


class TestDuckDB(TableContract):
    @pytest.fixture
    def store(self, store: DuckDBStore) -> DuckDBStore:
        return store


def test_reading_what_is_not_there_makes_no_file(store: DuckDBStore, path: Path) -> None:
    with pytest.raises(SliceMissing, match="trips: materialize it first"):
        store.read("trips")
    assert not path.exists()


@pytest.mark.parametrize(("many", "limit"), [(30_000, "488.2 MiB"), (29_999, "143.0 MiB")])
def test_more_rows_than_many_are_loaded_with_little_memory(
    store: DuckDBStore, path: Path, monkeypatch: pytest.MonkeyPatch, many: int, limit: str
) -> None:
    monkeypatch.setattr("taxi_assets.stores.duckdb.store.MANY_ROWS", many)
    found = []

    def look() -> None:
        with duckdb.connect(path, config={"custom_user_agent": "dagster"}) as beside:
            found.extend(beside.execute("SELECT current_setting('memory_limit')").fetchone())

    lake = LocalLake(path.with_name("lake"))
    lake.replace(TRIPS, rows_of(1))
    store.replace(TRIPS, lake.read("trips", [JANUARY]).confirmed_by(look))
    assert found == [limit]
    assert version_of(store, TRIPS) == 1


# Others who use the file


def test_a_file_that_another_process_keeps_open_is_unavailable_and_it_is_named(
    store: DuckDBStore, impatient: DuckDBStore, path: Path
) -> None:
    store.replace(TRIPS, rows_of(1))
    with elsewhere(HOLD, path, "writing") as process:
        for use in (
            lambda: impatient.replace(TRIPS, rows_of(2)),
            lambda: impatient.read("trips"),
            lambda: impatient.count(TRIPS),
            lambda: impatient.months("trips"),
        ):
            with pytest.raises(StoreUnavailable, match=rf"{path} is in use.*\(PID {process.pid}\)") as caught:
                use()
            assert caught.value.retryable
    assert version_of(impatient, TRIPS) == 1


def test_reading_goes_on_beside_a_reader_in_another_process(
    store: DuckDBStore, impatient: DuckDBStore, path: Path
) -> None:
    store.replace(TRIPS, rows_of(1))
    with elsewhere(HOLD, path, "reading") as process:
        read_in_every_way(impatient)
        with pytest.raises(StoreUnavailable, match=rf"\(PID {process.pid}\) has it open"):
            impatient.replace(TRIPS, rows_of(2))


@pytest.mark.parametrize("config", [{}, {"custom_user_agent": "dagster"}], ids=["a notebook's", "Dagster's resource's"])
@pytest.mark.parametrize("read_only", [True, False])
def test_reading_goes_on_beside_a_connection_in_the_same_process(
    store: DuckDBStore, impatient: DuckDBStore, path: Path, config: dict[str, str], *, read_only: bool
) -> None:
    store.replace(TRIPS, rows_of(1))
    with duckdb.connect(path, read_only=read_only, config=config) as notebook:
        notebook.execute("SET threads = 1")
        read_in_every_way(impatient)
        assert notebook.sql("FROM taxi.trips").count("*").fetchall() == [(30_000,)]
        assert notebook.sql("SELECT current_setting('threads')").fetchall() == [(1,)]


def test_a_load_beside_a_reader_in_the_same_process_says_that_it_is_this_one(
    store: DuckDBStore, impatient: DuckDBStore, path: Path
) -> None:
    store.replace(TRIPS, rows_of(1))
    with (
        duckdb.connect(path, read_only=True),
        pytest.raises(StoreUnavailable, match=rf"this process \(PID {os.getpid()}\) has it open itself"),
    ):
        impatient.replace(TRIPS, rows_of(2))


def test_who_is_waited_for_is_said_while_waiting(
    store: DuckDBStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.replace(TRIPS, rows_of(1))
    with ThreadPoolExecutor() as thread:
        with elsewhere(HOLD, path, "reading") as process:
            replacing = thread.submit(store.replace, TRIPS, rows_of(2))
            deadline = monotonic() + 60
            while not caplog.messages:
                assert monotonic() < deadline
                sleep(0.05)
            assert not replacing.done()
        replacing.result()
    line = caplog.messages[0]
    assert re.match(rf"waiting for {path} for up to 300 s \(\d s so far\): .* \(PID {process.pid}\) has it open", line)
    assert version_of(store, TRIPS) == 2


def test_a_load_waits_for_another_load_however_long_and_a_reader_does_not(path: Path, impatient: DuckDBStore) -> None:
    with ThreadPoolExecutor() as thread:
        with elsewhere(REPLACE, path) as process:
            replacing = thread.submit(impatient.replace, TRIPS, rows_of(1))
            with pytest.raises(StoreUnavailable, match=rf"PID {process.pid} writes taxi.trips 2024-01"):
                impatient.months("trips")
            with pytest.raises(TimeoutError):
                replacing.result(timeout=0.5)
        replacing.result()
    assert version_of(impatient, TRIPS) == 1


def test_a_load_goes_on_when_the_one_before_it_is_killed(path: Path, impatient: DuckDBStore) -> None:
    with ThreadPoolExecutor() as thread, elsewhere(REPLACE, path) as process:
        replacing = thread.submit(impatient.replace, TRIPS, rows_of(1))
        process.kill()
        replacing.result()
    assert version_of(impatient, TRIPS) == 1


def test_a_wait_ends_with_the_first_interrupt(store: DuckDBStore, path: Path) -> None:
    store.replace(TRIPS, rows_of(1))
    store_there = f"DuckDBStore(Path({str(path)!r}), 'taxi', 'm')"
    count = f"from taxi_assets.stores.duckdb.store import *; print(0, flush=True); {store_there}"
    with (
        elsewhere(HOLD, path, "writing"),
        subprocess.Popen(
            [sys.executable, "-c", f"{count}.months('trips')"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell starts in its background ignores SIGINT, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        ) as waiting,
    ):
        waiting.stdout.readline()
        assert "waiting for" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in waiting.communicate(timeout=60)[1]


def test_threads_write_one_after_the_other(impatient: DuckDBStore) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def slow_batches() -> Iterator[pa.RecordBatch]:
        at_work.set()
        go_on.wait()
        yield from rows_of(1).batches()

    with ThreadPoolExecutor() as thread:
        first = thread.submit(impatient.replace, TRIPS, Rows(rows_of(1).schema, slow_batches))
        at_work.wait()
        second = thread.submit(impatient.replace, TRIPS, rows_of(2))
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        go_on.set()
        assert (first.result().rows, second.result().rows) == (30_000, 30_000)
    assert version_of(impatient, TRIPS) == 2


def test_a_table_is_made_of_what_is_read_from_the_same_file(impatient: DuckDBStore) -> None:
    impatient.replace(TRIPS, rows_of(1))
    impatient.replace(TableSlice("copy", JANUARY), impatient.read("trips", [JANUARY]))
    assert version_of(impatient, TableSlice("copy", JANUARY)) == 1


def test_a_connection_of_the_same_process_is_no_obstacle(impatient: DuckDBStore, path: Path) -> None:
    impatient.replace(TRIPS, rows_of(1))
    with duckdb.connect(path) as notebook:
        impatient.replace(TRIPS, rows_of(2))
        assert version_of(impatient, TRIPS) == 2
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


def test_what_a_killed_writer_left_is_read_without_writing(store: DuckDBStore, path: Path) -> None:
    """DuckDB's log of changes is replayed by readers too."""
    store.replace(TRIPS, rows_of(1))
    code = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE other AS FROM range(9)')"
    subprocess.run([sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)", path], check=False)
    assert path.with_name(f"{path.name}.wal").exists()
    with elsewhere(HOLD, path, "reading"):
        read_in_every_way(store)
    store.replace(TRIPS, rows_of(2))
    assert version_of(store, TRIPS) == 2


@pytest.mark.parametrize("left", ["warehouse.duckdb", "warehouse.duckdb.new"])
def test_a_file_that_was_being_made_when_its_process_was_killed_is_made_again(
    store: DuckDBStore, path: Path, left: str
) -> None:
    path.with_name(left).touch()
    assert store.months("trips") == []
    store.replace(TRIPS, rows_of(1))
    assert version_of(store, TRIPS) == 1
    assert {one.name for one in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}


def test_a_table_that_was_dropped_has_no_months(store: DuckDBStore, path: Path) -> None:
    store.replace(TRIPS, rows_of(1))
    with duckdb.connect(path) as connection:
        connection.execute("DROP TABLE taxi.trips")
    assert store.months("trips") == []
    store.replace(TableSlice("trips", FEBRUARY), rows_of(2))
    assert store.months("trips") == [FEBRUARY]


def test_a_damaged_file_is_named_with_what_to_do(store: DuckDBStore, path: Path) -> None:
    store.replace(TRIPS, rows_of(1))
    with path.open("r+b") as file:  # three headers of 4 kB; the first block, which each checkpoint writes in its place
        file.seek(3 * 4096 + 100)
        file.write(b"\xff")
    with pytest.raises(StoreError, match=r"warehouse\.duckdb is damaged: .* Move it away with warehouse\.duckdb\.wal"):
        store.read(TRIPS.table).to_table()


def test_names_that_differ_in_upper_and_lower_case_only_are_refused(store: DuckDBStore) -> None:
    with pytest.raises(SchemaMismatch, match="upper and lower case only: Fare and fare"):
        store.replace(TRIPS, Rows.from_table(pa.table({"fare": [1.0], "Fare": [2.0]})))
    store.replace(TRIPS, Rows.from_table(fares(1.0)))
    with pytest.raises(SchemaMismatch, match="upper and lower case only: Fare and fare"):
        store.replace(TRIPS, Rows.from_table(pa.table({"row": [1], "Fare": [2.0]})))


def test_rows_of_another_month_in_files_are_refused(store: DuckDBStore, tmp_path: Path) -> None:
    """DuckDB reads those itself, and counts them."""
    strange = fares(1.0).append_column(MONTH_COLUMN, pa.array([FEBRUARY.first_day]))
    pq.write_table(strange, tmp_path / "strange.parquet")
    with pytest.raises(SchemaMismatch, match=r"source_month must hold the DATE 2024-01-01 .* one holds '2024-02-01'"):
        store.replace(TRIPS, Rows.from_parquet([tmp_path / "strange.parquet"]))
    assert store.months("trips") == []


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


@pytest.mark.slow
def test_the_file_stays_small_however_often_a_month_is_replaced(store: DuckDBStore, path: Path) -> None:
    store.replace(TableSlice("trips", FEBRUARY), rows_of(0, rows=10_000))
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
        connection.execute("ALTER TABLE taxi.trips ADD COLUMN huge HUGEINT")
    with pytest.raises(SchemaMismatch, match=r"column huge has type HUGEINT"):
        store.read("trips")
