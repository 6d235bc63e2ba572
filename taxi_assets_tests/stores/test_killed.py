"""Processes killed while they replace a slice, at moments spread evenly over the time that a replace takes.

Fifty kills for each store, a hundred and fifty in all, in less than a minute.
"""

import logging
import multiprocessing
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from taxi_assets.month import Month
from taxi_assets.stores.duckdb import DuckDBStore
from taxi_assets.stores.lake import LocalLake
from taxi_assets.stores.postgres import PostgresStore
from taxi_assets.stores.slices import Slice

from .contract import MONTH_COLUMN
from .versions import AnyStore, replace_until_killed, rows_of, version_of

pytestmark = pytest.mark.faults

KILLS = 50
LOG = logging.getLogger(__name__)
TRIPS = Slice("trips", Month(2024, 1))
# Each is forked off a process that has imported everything, since imports take longer than a replace.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([replace_until_killed.__module__, "pandas", "pyarrow.parquet"])


def kill_during(store: AnyStore, first: int, wait: Callable[[Connection], None]) -> list[int]:
    """Start a process that replaces, kill it after the wait, and return what it told."""
    hear, tell = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=replace_until_killed, args=(store, TRIPS, first, tell))
    with hear:
        process.start()
        tell.close()
        assert hear.poll(30)  # it has imported everything and begins
        wait(hear)
        process.kill()
        process.join()
        told = []
        while hear.poll():
            try:
                told.append(hear.recv())
            except EOFError:
                break
    return told


def seconds_of_a_replace(store: AnyStore) -> float:
    """How long the first replace of a process takes: the longest of three."""

    def wait(hear: Connection) -> None:
        started = monotonic()
        hear.recv()
        hear.recv()
        seconds.append(monotonic() - started)

    seconds: list[float] = []
    for _ in range(3):
        kill_during(store, 1, wait)
    return max(seconds)


def kill_again_and_again(store: AnyStore) -> None:
    """Kill, look at the slice, replace it, and so on."""
    duration = seconds_of_a_replace(store)
    version = 0
    outcomes: Counter[str] = Counter()
    for kill in range(KILLS):
        store.replace(TRIPS, rows_of(version))
        told = kill_during(store, version + 1, lambda _, kill=kill: sleep(1.1 * duration * kill / (KILLS - 1)))
        old, new = (told[-2] if len(told) > 1 else version), told[-1]
        version = version_of(store, TRIPS)
        assert version in (old, new)
        outcomes["between two" if old == new else "during one, old" if version == old else "during one, new"] += 1
        version += 1
    store.replace(TRIPS, rows_of(version))
    assert version_of(store, TRIPS) == version
    LOG.info("%s: %.3f s for a replace, %d kills: %s", type(store).__name__, duration, KILLS, dict(outcomes))
    assert outcomes["during one, old"] > KILLS / 2


def test_a_killed_process_leaves_the_lake_whole(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    kill_again_and_again(lake)
    assert [path.name for path in lake.root.rglob("*") if path.is_file()] == ["trips.parquet"]


def test_a_killed_process_leaves_postgres_whole(postgres_url: str) -> None:
    kill_again_and_again(PostgresStore(postgres_url, "killed", MONTH_COLUMN))
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'killed'::regnamespace")
        assert sorted(tables.fetchall()) == [("trips",), ("trips_2024_01",)]


def test_a_killed_process_leaves_duckdb_whole(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    kill_again_and_again(DuckDBStore(path, "taxi", MONTH_COLUMN))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
