"""Readers in the middle of a month that is replaced; those of Postgres are with its other faults."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.bigquery import reading as bigquery_reading
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.rows import BATCH_ROWS
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer
from taxi_assets_tests.stores.contract import MONTH_COLUMN
from taxi_assets_tests.stores.versions import rows_of

from . import matrix
from .recording import Tell
from .subjects import FEW_ROWS, IN_LAKE, JANUARY, Subject, bigquery_by_upload, gcs_at_once

pytestmark = pytest.mark.faults

SEVERAL_BATCHES = 2 * BATCH_ROWS
HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"


def replace_under_a_reader(subject: Subject, told: Tell) -> None:
    """Replace when a reader has had one batch; the reader must get the others of the same version."""
    subject.replace(0)
    reading = subject.store.read(subject.piece.table, [JANUARY]).batches()
    batches = [next(reading)]
    subject.replace(1)
    assert subject.version() == 1
    batches.extend(reading)
    assert sum(batch.num_rows for batch in batches) == subject.count
    assert len(batches) > 1
    assert {version for batch in batches for version in batch["version"].unique().to_pylist()} == {0}
    told(matrix.IN_USE, subject.name, "new month, and the reader keeps the old one", 1)


def test_a_reader_of_the_lake_keeps_its_version(tmp_path: Path, told: Tell) -> None:
    rows = partial(rows_of, rows=SEVERAL_BATCHES)
    subject = Subject(name="Local lake", store=LocalLake(tmp_path), piece=IN_LAKE, rows=rows, count=SEVERAL_BATCHES)
    replace_under_a_reader(subject, told)


def test_a_reader_of_gcs_keeps_its_version(gcs: GcsServer, tmp_path: Path, told: Tell) -> None:
    subject = gcs_at_once(gcs.url, tmp_path, patience=10)
    rows = partial(rows_of, rows=SEVERAL_BATCHES)
    replace_under_a_reader(replace(subject, rows=rows, count=SEVERAL_BATCHES), told)


@pytest.mark.xdist_group(bigquery_by_upload.__name__)
def test_a_reader_of_bigquery_keeps_its_version(
    bigquery: BigQueryServer, tmp_path: Path, told: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigquery_reading, "_PAGE_ROWS", FEW_ROWS // 2)
    replace_under_a_reader(bigquery_by_upload(bigquery.url, tmp_path, patience=10), told)


@contextmanager
def open_elsewhere(path: Path) -> Iterator[None]:
    """Another process has the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate("\n")


def test_a_duckdb_file_that_is_open_for_long_keeps_its_month(tmp_path: Path, told: Tell) -> None:
    path = tmp_path / "warehouse.duckdb"
    subject = Subject(name="DuckDB", store=DuckDBStore(path, "taxi", MONTH_COLUMN, lock_patience=0))
    subject.replace(0)
    with open_elsewhere(path):
        error = subject.failure_of_a_replace(1)
    assert isinstance(error, StoreUnavailable)
    outcome = subject.outcome(error, 0, 1)
    subject.replace(2)
    assert subject.version() == 2
    told(matrix.IN_USE, "DuckDB", outcome, 1)


def test_a_replace_waits_until_a_duckdb_file_is_closed(tmp_path: Path, told: Tell) -> None:
    path = tmp_path / "warehouse.duckdb"
    subject = Subject(name="DuckDB", store=DuckDBStore(path, "taxi", MONTH_COLUMN))
    subject.replace(0)
    with ThreadPoolExecutor() as thread:
        with open_elsewhere(path):
            replacing = thread.submit(subject.replace, 1)
            with pytest.raises(TimeoutError):
                replacing.result(timeout=0.5)
        replacing.result()
    assert subject.version() == 1
    told(matrix.IN_USE, "DuckDB", "new month after the reader", 1)
