"""Types of pandas through an IO manager, as a project meets them from day to day."""

from pathlib import Path

import dagster as dg
import duckdb
import pandas as pd
import pytest

from taxi_assets.io_managers import DuckDBIOManager
from taxi_assets.resources import DuckDBResource

BEYOND_FLOAT = 2**53 + 1
DAYS = dg.DailyPartitionsDefinition("2024-01-01")
FIRST, SECOND = "2024-01-01", "2024-01-02"


class Project:
    """A partitioned asset whose frames a test gives."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.frames: dict[str, pd.DataFrame] = {}

        @dg.asset(partitions_def=DAYS)
        def readings(context: dg.AssetExecutionContext) -> pd.DataFrame:
            return self.frames[context.partition_key]

        manager = DuckDBIOManager(duckdb=DuckDBResource(database=str(file)))
        self.definitions = dg.Definitions([readings], resources={"io_manager": manager})

    def materialize(self, day: str, **columns: object) -> dg.ExecuteInProcessResult:
        self.frames[day] = pd.DataFrame(columns)
        job = self.definitions.resolve_implicit_global_asset_job_def()
        with dg.DagsterInstance.ephemeral() as instance:
            return job.execute_in_process(partition_key=day, instance=instance, raise_on_error=False)

    def load(self, day: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.definitions.load_asset_value("readings", partition_key=day)
        return frame

    def type_of(self, column: str) -> str:
        with duckdb.connect(self.file, read_only=True) as connection:
            query = "SELECT data_type FROM duckdb_columns() WHERE table_name = 'readings' AND column_name = ?"
            [(kind,)] = connection.execute(query, [column]).fetchall()
        return str(kind)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "readings.duckdb")


def test_integers_are_nullable_only_where_a_value_is_missing(project: Project) -> None:
    project.materialize(FIRST, full=[1, 2], gaps=pd.array([BEYOND_FLOAT, None], "Int64"))
    found = project.load(FIRST)
    assert found.dtypes.astype(str).to_dict() | {"window_start": None} == {
        "full": "int64",
        "gaps": "Int64",
        "window_start": None,
    }
    assert found.columns.tolist() == ["full", "gaps", "window_start"]
    assert found["gaps"].tolist() == [BEYOND_FLOAT, pd.NA]


def test_a_gap_that_made_floats_of_integers_leaves_the_column_as_it_is(project: Project) -> None:
    project.materialize(FIRST, count=[1, 2])
    assert project.materialize(SECOND, count=[3.0, None]).success
    assert project.type_of("count") == "BIGINT"
    assert project.load(SECOND)["count"].tolist() == [3, pd.NA]


def test_a_fraction_that_no_integer_holds_fails_with_the_way_out_and_the_old_rows_stay(project: Project) -> None:
    project.materialize(FIRST, count=[1, 2])
    result = project.materialize(SECOND, count=[1.5, None])
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "count is BIGINT in the table and DOUBLE in the rows" in (failure.event_specific_data.error_display_string)
    assert "Cast the column in the asset" in failure.event_specific_data.error_display_string
    assert (project.type_of("count"), project.load(FIRST)["count"].tolist()) == ("BIGINT", [1, 2])


def test_a_column_of_nothing_takes_the_type_of_the_first_value(project: Project) -> None:
    project.materialize(FIRST, note=[None, None])
    assert project.type_of("note") == "VARCHAR"
    project.materialize(SECOND, note=[pd.Timestamp(2024, 1, 2, 12, tz="Asia/Tokyo"), None])
    assert project.type_of("note") == "TIMESTAMP WITH TIME ZONE"
    assert project.load(SECOND)["note"][0] == pd.Timestamp(2024, 1, 2, 3, tz="UTC")
    assert project.load(FIRST)["note"].isna().all()


def test_a_day_without_rows_is_materialized_and_fixes_no_type(project: Project) -> None:
    assert project.materialize(FIRST, value=[]).success
    project.materialize(SECOND, value=["JFK"])
    assert (project.load(FIRST).shape[0], project.load(SECOND)["value"].tolist()) == (0, ["JFK"])
