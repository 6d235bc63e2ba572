"""What the IO managers for tables tell the audit log of a run, in a project that has nothing to do with taxis."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from taxi_assets.io_managers import DuckDBIOManager
from taxi_assets.io_managers.load_log import started_by
from taxi_assets.resources import DuckDBResource
from taxi_assets.stores.duckdb.store import DuckDBStore


@dg.asset(key=["tables", "sales"], io_manager_key="tables")
def sales() -> pd.DataFrame:
    return pd.DataFrame({"amount": [12.5, 7.0]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sales.duckdb"


def materialize(path: Path, **fields: str) -> dg.ExecuteInProcessResult:
    tables = DuckDBIOManager(duckdb=DuckDBResource(database=str(path)), **fields)
    return dg.materialize([sales], resources={"tables": tables}, tags={"taxi/requested_by": "alice"})


def test_a_run_is_told_with_who_started_it(path: Path) -> None:
    run = materialize(path, audit_table="loads")
    [line] = DuckDBStore(path, "public", "source_month").read("loads").to_table().to_pylist()
    assert (line["table_name"], line["store"], line["loaded_rows"]) == ("sales", "tables", 2)
    assert (line["run_id"], line["started_by"]) == (run.run_id, "alice")
    assert line["started_at"] <= line["finished_at"]


def test_no_audit_log_is_made_unless_it_is_asked_for(path: Path) -> None:
    materialize(path)
    import duckdb

    with duckdb.connect(path, read_only=True) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("sales",)]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({}, "a person in the UI, or a program by the API"),
        ({"taxi/requested_by": "taxi run by alice"}, "taxi run by alice"),
        ({"dagster/backfill": "abcdef"}, "backfill abcdef"),
        (
            {"dagster/backfill": "abcdef", "taxi/requested_by": "catch_up_schedule"},
            "catch_up_schedule, backfill abcdef",
        ),
        ({"dagster/sensor_name": "sales_published"}, "sensor sales_published"),
        ({"dagster/schedule_name": "nightly"}, "schedule nightly"),
        (
            {"dagster/from_automation_condition": "true", "dagster/sensor_name": "automation"},
            "automation condition",
        ),
    ],
)
def test_who_started_a_run_is_told_from_its_tags(tags: dict[str, str], told: str) -> None:
    assert started_by(tags) == told
