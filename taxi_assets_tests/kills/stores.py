"""What the stores of a home hold of one month, as the version that it is, and what is left beside it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg

from taxi_assets.catalog import SOURCE_MONTH, SOURCE_ROW, Dataset, Layer, daily_table
from taxi_assets.errors import SliceMissing, StoreError
from taxi_assets.month import Month
from taxi_assets.settings import SCHEMA
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.rows_digest import digest_of
from taxi_assets.stores.factory import opened_stores
from taxi_assets.stores.postgres.connection import connected
from taxi_assets_tests.homes import Home

TABLES = ("postgres", "warehouse")
LAYERS = ("raw", "clean", "quarantine", *TABLES, *(f"{table} daily" for table in TABLES))
Contents = Mapping[str, object]  # layer -> what it holds, equal where the rows are; a text where it cannot be read


def contents(home: Home, dataset: Dataset, month: Month) -> Contents:
    """What every layer holds of the month."""
    with opened_stores(home.settings, ("lake", *TABLES)) as stores:
        lake = stores["lake"]()
        found: dict[str, object] = {
            "raw": _told(lambda: lake.get_file(dataset.path(Layer.RAW), dataset.file_name(month)).sha256),
            "clean": _told(lambda: _digest_of_lake(lake, dataset, month)),
            "quarantine": _told(lambda: _rejected(lake, dataset, month)),
        }
        for name in TABLES:
            store = stores[name]()
            found[name] = _told(lambda store=store: _digest(store, dataset, month))
            found[f"{name} daily"] = _told(lambda store=store: _days(store, dataset, month))
    return found


def leftovers(home: Home) -> list[str]:
    """What a killed run left and the next one should have removed; empty where there is nothing."""
    scratch = home.folder / "scratch"
    left = [f"scratch: {path.name}" for path in (scratch.iterdir() if scratch.exists() else ())]
    left += [f"table {name}" for name in _tables_under_way(home)]
    left += [f"slot of {run}" for run in _held_slots(home.settings.dagster_home)]
    with dg.DagsterInstance.from_config(str(home.settings.dagster_home)) as instance:
        unsettled = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.QUEUED]
        left += [f"run {run.run_id} {run.status.value}" for run in instance.get_runs(dg.RunsFilter(statuses=unsettled))]
    return left


def _told(look: Any) -> object:
    try:
        return look()
    except SliceMissing:
        return None
    except StoreError as error:
        return f"cannot be read: {error}"


def _compared(dataset: Dataset) -> Mapping[str, Any]:
    schema = dataset.schema
    return {"all": list(schema.remove(schema.get_field_index(SOURCE_MONTH)))}


def _digest_of_lake(lake: Any, dataset: Dataset, month: Month) -> object:
    return digest_of(lake.read(dataset.path(Layer.CLEAN), [month]), _compared(dataset), SOURCE_ROW, dataset.total)


def _digest(store: Any, dataset: Dataset, month: Month) -> object:
    if month not in store.months(dataset.table):
        return None
    return store.digest(TableSlice(dataset.table, month), _compared(dataset), SOURCE_ROW, dataset.total)


def _rejected(lake: Any, dataset: Dataset, month: Month) -> object:
    rows = lake.read(dataset.path(Layer.QUARANTINE), [month]).to_table()
    return tuple(zip(rows["source_row"].to_pylist(), rows["rule"].to_pylist(), strict=True))


def _days(store: Any, dataset: Dataset, month: Month) -> object:
    rows = store.read(daily_table(dataset), [month]).to_table().to_pylist()
    return tuple(sorted(repr(sorted(row.items())) for row in rows))


def _tables_under_way(home: Home) -> list[str]:
    with opened_stores(home.settings, ("postgres",)) as stores, connected(stores["postgres"]()._url) as connection:
        return [
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relname LIKE '%%\\_new'",
                [SCHEMA],
            )
        ]


def _held_slots(records: Path) -> list[str]:
    database = records / "history" / "runs" / "index.db"
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        held = connection.execute("SELECT run_id FROM concurrency_slots WHERE run_id IS NOT NULL").fetchall()
    return [run for (run,) in held]
