"""Loads of rows that another run has replaced in the lake meanwhile."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from taxi_assets.errors import Overtaken, StoreError, StoreUnavailable
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.bigquery.client import open_client
from taxi_assets.stores.bigquery.store import BigQueryStore
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows

from .contract import JANUARY, MONTH_COLUMN
from .versions import TableStore, entry_of, rows_of, version_of

CLEAN, TRIPS = TableSlice("clean/trips", JANUARY), TableSlice("trips", JANUARY)
ROWS = 500


def bigquery_store(dataset: str) -> BigQueryStore:
    client = partial(open_client, "project", "US")
    return BigQueryStore(client, "project", dataset, MONTH_COLUMN, location="US", patience=20)


@pytest.fixture(params=["duckdb", "postgres", "bigquery"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TableStore:
    if request.param == "duckdb":
        return DuckDBStore(tmp_path / "warehouse.duckdb", "taxi", MONTH_COLUMN)
    if request.param == "postgres":
        return PostgresStore(request.getfixturevalue("postgres_url"), "overtaken", MONTH_COLUMN)
    request.getfixturevalue("bigquery")
    return bigquery_store("overtaken")


def replaced_when(lake: LocalLake, rows: Rows, batches: int) -> Rows:
    """The rows, which another run replaces in the lake after so many batches of them were read."""

    def open_batches() -> object:
        for number, batch in enumerate(rows.batches()):
            if number == batches:
                lake.replace(CLEAN, rows_of(3, ROWS))
            yield batch
        if batches < 0:
            lake.replace(CLEAN, rows_of(3, ROWS))

    return Rows(rows.schema, open_batches, confirm=rows.confirm)


@pytest.mark.parametrize("batches", [0, -1])
def test_rows_that_were_replaced_while_they_were_loaded_are_not_stored(
    store: TableStore, tmp_path: Path, batches: int
) -> None:
    lake = LocalLake(tmp_path / "lake")
    store.replace(TRIPS, rows_of(1, ROWS))
    lake.replace(CLEAN, rows_of(2, ROWS))
    rows = replaced_when(lake, lake.read("clean/trips", [JANUARY]), batches)
    with pytest.raises(Overtaken, match=r"clean/trips 2024-01 was replaced in the lake by another run"):
        store.replace(TRIPS, rows, entry_of(2))
    assert version_of(store, TRIPS, ROWS) == 1
    store.replace(TRIPS, lake.read("clean/trips", [JANUARY]))
    assert version_of(store, TRIPS, ROWS) == 3


def test_a_load_job_that_became_outdated_while_it_ran_is_repeated(
    bigquery: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = bigquery_store("outdated")
    answers: list[Callable[[], None]] = [lambda: None, _overtaken]

    def confirm() -> None:
        answers.pop(0)()

    rows = rows_of(1, ROWS)
    with pytest.raises(StoreUnavailable, match="the newer is loaded again") as caught:
        store.replace(TRIPS, Rows(rows.schema, rows.batches, confirm=confirm))
    assert isinstance(caught.value, StoreError)


def _overtaken() -> None:
    raise Overtaken("clean/trips 2024-01 was replaced")
