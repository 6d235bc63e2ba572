import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from taxi_assets.errors import StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.stores.embedded_postgres import embedded_url, server
from taxi_assets.stores.postgres import PostgresStore
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.slices import Slice

from .contract import MONTH_COLUMN
from .servers import folder_for_server, kill_server
from .versions import SCHEMA, rows_of, version_of

TRIPS = Slice("trips", Month(2024, 1))


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_for_server() as folder:
        yield folder


def started(folder: Path) -> PostgresStore:
    """The store on the server in the folder, which is started where it does not run."""
    return PostgresStore(embedded_url(folder), "taxi", MONTH_COLUMN)


@pytest.mark.faults
def test_a_killed_server_starts_again_with_every_row(folder: Path) -> None:
    for version in range(3):
        started(folder).replace(TRIPS, rows_of(version))
        kill_server(folder)
        assert version_of(started(folder), TRIPS) == version


@pytest.mark.faults
def test_a_killed_server_starts_again_though_its_process_number_is_taken(folder: Path) -> None:
    started(folder).replace(TRIPS, rows_of(1))
    kill_server(folder)
    left = folder / "postmaster.pid"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as bystander:
        left.write_text(re.sub(r"^\d+", str(bystander.pid), left.read_text()))
        assert version_of(started(folder), TRIPS) == 1
        assert bystander.poll() is None


@pytest.mark.faults
def test_a_server_killed_during_a_replace_starts_again_with_the_old_rows(folder: Path) -> None:
    def open_batches() -> Iterator[pa.RecordBatch]:
        batches = rows_of(2).batches()
        yield from islice(batches, 3)
        kill_server(folder)
        yield from batches

    store = started(folder)
    store.replace(TRIPS, rows_of(1))
    with pytest.raises(StoreUnavailable):
        store.replace(TRIPS, Rows(SCHEMA, open_batches))
    assert version_of(started(folder), TRIPS) == 1
    started(folder).replace(TRIPS, rows_of(3))
    assert version_of(started(folder), TRIPS) == 3


def test_a_server_is_not_stopped_by_the_one_who_leaves_while_another_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = server._start
    visit = "import sys, pathlib; from taxi_assets.stores.embedded_postgres import embedded_url as url; "
    visit += "print(url(pathlib.Path(sys.argv[1])), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", visit, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline()

        def start_and_see_the_other_leave(*where: Any) -> Any:
            started = start(*where)
            other.communicate("\n")
            return started

        monkeypatch.setattr(server, "_start", start_and_see_the_other_leave)
        store = started(folder)
    store.replace(TRIPS, rows_of(1))
    assert version_of(store, TRIPS) == 1
