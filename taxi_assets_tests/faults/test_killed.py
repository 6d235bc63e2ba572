"""Processes killed while they replace a month, at moments spread evenly over the time that a replace takes."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest
from google.cloud import storage

from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder import versions
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer
from taxi_assets_tests.stores.contract import MONTH_COLUMN
from taxi_assets_tests.stores.versions import rows_of

from . import matrix
from .processes import killed_after
from .recording import Tell
from .subjects import IN_LAKE, JANUARY, Subject, bigquery_by_reference, bigquery_by_upload, gcs_at_once

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

KILLS = 50
ROWS = 10_000
rows = partial(rows_of, rows=ROWS)
LOG = logging.getLogger(__name__)


def seconds_of_a_replace(subject: Subject) -> float:
    """How long the first replace of a process takes: the longest of three."""

    def wait(hear: Connection) -> None:
        started = monotonic()
        hear.recv()
        hear.recv()
        seconds.append(monotonic() - started)

    seconds: list[float] = []
    for _ in range(3):
        killed_after(wait, subject, 1)
    return max(seconds)


def kill_again_and_again(subject: Subject, told: Tell, kills: int = KILLS) -> None:
    """Kill, look at the month, replace it, and so on."""
    duration = seconds_of_a_replace(subject)
    version = 0
    outcomes: Counter[str] = Counter()
    for kill in range(kills):
        subject.replace(version)
        moment = 1.1 * duration * kill / (kills - 1)
        numbers = killed_after(lambda _, moment=moment: sleep(moment), subject, version + 1)
        old, new = (numbers[-2] if len(numbers) > 1 else version), numbers[-1]
        version = subject.version()
        assert version in (old, new)
        outcomes["between two" if old == new else "old month" if version == old else "new month"] += 1
        version += 1
    subject.replace(version)
    assert subject.version() == version
    LOG.info("%s: %.3f s for a replace, %d kills: %s", subject.name, duration, kills, dict(outcomes))
    assert outcomes["old month"] > kills / 10
    for outcome in ("old month", "new month"):
        told(matrix.KILLED, subject.name, outcome, outcomes[outcome])


def test_a_killed_process_leaves_the_lake_whole(tmp_path: Path, told: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "GRACE_SECONDS", -1)
    lake = LocalLake(tmp_path / "lake")
    kill_again_and_again(Subject(name="Local lake", store=lake, rows=rows, count=ROWS), told)
    [file] = [path for path in lake.root.rglob("*") if path.is_file()]
    assert [str(file)] == list(lake.read("trips", [JANUARY]).files)


def test_a_killed_process_leaves_gcs_whole(gcs: GcsServer, tmp_path: Path, told: Tell) -> None:
    subject = gcs_at_once(gcs.url, tmp_path, patience=10)
    kill_again_and_again(subject, told)
    bucket, _, name = subject.store.uri(IN_LAKE).removeprefix("gs://").partition("/")
    prefix = name.partition("/")[0]
    assert [blob.name for blob in storage.Client().list_blobs(bucket, prefix=f"{prefix}/clean")] == [name]


def test_a_killed_process_leaves_postgres_whole(postgres_url: str, told: Tell) -> None:
    store = PostgresStore(postgres_url, "killed", MONTH_COLUMN)
    kill_again_and_again(Subject(name="Postgres", store=store, rows=rows, count=ROWS), told)
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'killed'::regnamespace")
        assert sorted(tables.fetchall()) == [("trips",), ("trips_2024_01",)]


def test_a_killed_process_leaves_duckdb_whole(tmp_path: Path, told: Tell) -> None:
    path = tmp_path / "warehouse.duckdb"
    store = DuckDBStore(path, "taxi", MONTH_COLUMN)
    kill_again_and_again(Subject(name="DuckDB", store=store, rows=rows, count=ROWS), told)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, f"{path.name}.lock"}


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.xdist_group(way.__name__))
        for way in (bigquery_by_upload, bigquery_by_reference)
    ],
)
def test_a_killed_process_leaves_bigquery_whole(
    bigquery: BigQueryServer, tmp_path: Path, told: Tell, way: Callable[[str, Path, float], Subject]
) -> None:
    kill_again_and_again(way(bigquery.url, tmp_path, 10), told, KILLS // 2)
