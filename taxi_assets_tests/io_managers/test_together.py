"""Assets that become current together, and runs that are overtaken by others."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager
from taxi_assets.io_managers.lake import FILE_NAME, PUBLISHED_WITH
from taxi_assets.month import Month
from taxi_assets.resources import DuckDBResource
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.rows import Rows

MONTHS = dg.MonthlyPartitionsDefinition("2024-01", fmt="%Y-%m")
TOGETHER = {PUBLISHED_WITH: "sales"}
JANUARY = Month(2024, 1)


class World:
    """A lake with a file, what is made of it, and a summary of that in DuckDB; what they do is told by attributes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = LocalLake(folder / "lake")
        self.version = 1
        self.broken = False
        self.overtaken = False
        resources = {
            "lake": LakeIOManager(folder=str(folder / "lake")),
            "tables": DuckDBIOManager(duckdb=DuckDBResource(database=str(folder / "tables.duckdb"))),
        }
        self.definitions = dg.Definitions(assets=self._assets(), resources=resources)

    def _assets(self) -> list[dg.AssetsDefinition]:
        @dg.asset(partitions_def=MONTHS, io_manager_key="lake", metadata={FILE_NAME: "sales_{month}.csv", **TOGETHER})
        def file(context: dg.AssetExecutionContext) -> Path:
            path = self.folder / "sales_2024-01.csv"
            path.write_text(f"version\n{self.version}\n")
            return path

        @dg.asset(partitions_def=MONTHS, io_manager_key="lake", metadata=TOGETHER)
        def sales(file: Path) -> pd.DataFrame:
            if self.broken:
                raise dg.Failure("cannot be read", allow_retries=False)
            return pd.read_csv(file)

        @dg.asset(partitions_def=MONTHS, io_manager_key="tables")
        def revenue(sales: pd.DataFrame) -> Iterator[dg.Output[pd.DataFrame]]:
            if self.overtaken:
                self.lake.replace(TableSlice("sales", JANUARY), Rows.from_pandas(pd.DataFrame({"version": [9]})))
            yield dg.Output(pd.DataFrame({"revenue": sales["version"]}))

        return [file, sales, revenue]

    def run(self, instance: dg.DagsterInstance, *assets: str) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key="2024-01",
            instance=instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey([name]) for name in assets] or None,
        )

    def contents(self) -> tuple[str, list[int]]:
        raw = self.lake.get_file("file", "sales_2024-01.csv").path.read_text().split()[1]
        return raw, self.lake.read("sales", [JANUARY]).to_table()["version"].to_pylist()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_a_file_that_nothing_can_be_made_of_leaves_the_older_one_current(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert world.run(instance).success
    world.version, world.broken = 2, True
    assert not world.run(instance).success
    assert world.contents() == ("1", [1])
    world.broken = False
    assert world.run(instance, "sales").success, "the older month can be made again"
    assert world.contents() == ("1", [1])


def test_a_file_that_was_made_alone_is_what_the_next_run_uses(world: World, instance: dg.DagsterInstance) -> None:
    assert world.run(instance, "file").success
    assert world.lake.months("sales") == []
    assert world.run(instance, "sales").success
    assert world.contents() == ("1", [1])


def test_what_was_made_of_rows_that_another_run_replaced_is_not_stored(
    world: World, instance: dg.DagsterInstance
) -> None:
    assert world.run(instance).success
    world.version, world.overtaken = 2, True
    failed = world.run(instance)
    [event] = failed.filter_events(lambda event: event.is_step_failure)
    assert event.step_key == "revenue"
    description = event.step_failure_data.user_failure_data.description
    assert description.startswith("Overtaken: sales 2024-01 was replaced in the lake by another run")
    stored = world.definitions.load_asset_value(["revenue"], partition_key="2024-01", instance=instance)
    assert stored["revenue"].tolist() == [1]


def test_a_run_lets_the_next_one_go_ahead_when_it_ends(world: World, instance: dg.DagsterInstance) -> None:
    assert world.run(instance).success
    world.lake.draft(TableSlice("sales", JANUARY), "next", pytest.fail).end()
