"""Disks with less and less room missing: none at first, then a little more each time, until the month fits."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer
from taxi_assets_tests.stores.contract import MONTH_COLUMN
from taxi_assets_tests.stores.servers import folder_for_server

from . import matrix
from .disks import filled, small_disk
from .recording import Tell
from .subjects import IN_LAKE, Subject, bigquery_by_upload, gcs_at_once

pytestmark = pytest.mark.faults

MOST_TRIES = 40


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(megabytes=8) as disk:
        yield disk


def fill_until_it_fits(subject: Subject, disk: Path, step: int, told: Tell) -> None:
    """Replace with no byte free, then with a step more, and so on, making room after each failure."""
    subject.replace(0)
    version = 0
    outcomes: Counter[str] = Counter()
    for tries in range(MOST_TRIES):
        with filled(disk, leaving=tries * step):
            try:
                subject.replace(version + 1)
            except StoreUnavailable as caught:
                error = caught
            else:
                break
        outcomes[subject.outcome(error, version, version + 1)] += 1
        version += 2
        subject.replace(version)
        assert subject.version() == version
    assert subject.version() == version + 1
    assert outcomes
    for outcome, tries in outcomes.items():
        told(matrix.DISK_FULL, subject.name, outcome, tries)


def test_a_full_disk_leaves_the_month_in_the_lake(disk: Path, told: Tell) -> None:
    subject = Subject(name="Local lake", store=LocalLake(disk / "lake"), piece=IN_LAKE)
    fill_until_it_fits(subject, disk, step=16 << 10, told=told)


def test_a_full_disk_leaves_the_month_in_duckdb(disk: Path, told: Tell) -> None:
    subject = Subject(name="DuckDB", store=DuckDBStore(disk / "warehouse.duckdb", "taxi", MONTH_COLUMN))
    fill_until_it_fits(subject, disk, step=256 << 10, told=told)


def test_a_full_disk_here_leaves_the_month_in_gcs(gcs: GcsServer, disk: Path, tmp_path: Path, told: Tell) -> None:
    folder = disk / tmp_path.name
    folder.mkdir()
    fill_until_it_fits(gcs_at_once(gcs.url, folder, patience=10), disk, step=32 << 10, told=told)


@pytest.mark.xdist_group(bigquery_by_upload.__name__)
def test_a_full_disk_here_leaves_the_month_in_bigquery(
    bigquery: BigQueryServer, disk: Path, tmp_path: Path, told: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    fill_until_it_fits(bigquery_by_upload(bigquery.url, tmp_path, patience=10), disk, step=4 << 10, told=told)


def test_a_full_disk_of_the_server_leaves_the_month_in_postgres(told: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(megabytes=160) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with folder_for_server() as folder:
            subject = Subject(name="Postgres", store=PostgresStore(embedded_url(folder), "taxi", MONTH_COLUMN))
            fill_until_it_fits(subject, disk, step=512 << 10, told=told)
