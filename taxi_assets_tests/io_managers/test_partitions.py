"""What an asset gets of another that is there by month, from the lake on a disk and in a bucket."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from taxi_assets.io_managers import GCSLakeIOManager, LakeIOManager
from taxi_assets.io_managers.lake import BaseLakeIOManager
from taxi_assets.resources.google_cloud import GCSResource
from taxi_assets_tests.servers.gcs import GcsServer, new_bucket

MONTHS = dg.MonthlyPartitionsDefinition("2024-01-01", end_date="2024-05-01")
LENIENT = {"allow_missing_partitions": True}


@dg.asset(partitions_def=MONTHS, io_manager_key="lake")
def sales(context: dg.AssetExecutionContext) -> pd.DataFrame:
    return pd.DataFrame({"month": [context.partition_key] * 2, "amount": [1.0, 2.0]})


def year(metadata: dict[str, bool]) -> dg.AssetsDefinition:
    """An asset made of all months."""

    @dg.asset(ins={"sales": dg.AssetIn(metadata=metadata, partition_mapping=dg.AllPartitionMapping())})
    def whole_year(sales: pa.Table) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"months": sorted(set(sales["month"].to_pylist())), "rows": len(sales)})

    return whole_year


@pytest.fixture(params=["a folder", "a bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> BaseLakeIOManager:
    if request.param == "a folder":
        return LakeIOManager(folder=str(tmp_path / "lake"))
    request.getfixturevalue("gcs")
    return GCSLakeIOManager(gcs=GCSResource(), url=f"gs://{new_bucket().name}")


def materialize(lake: BaseLakeIOManager, months: list[str]) -> None:
    for month in months:
        assert dg.materialize([sales], partition_key=f"{month}-01", resources={"lake": lake}).success


def test_many_months_are_read_as_one_frame(lake: BaseLakeIOManager) -> None:
    materialize(lake, ["2024-01", "2024-02", "2024-03", "2024-04"])
    result = dg.materialize([year({}), sales.to_source_asset()], resources={"lake": lake})
    [event] = result.asset_materializations_for_node("whole_year")
    assert event.metadata["rows"].value == 8


def test_a_month_that_is_missing_is_named(lake: BaseLakeIOManager) -> None:
    materialize(lake, ["2024-01", "2024-03", "2024-04"])
    result = dg.materialize([year({}), sales.to_source_asset()], resources={"lake": lake}, raise_on_error=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data or failure.step_failure_data.error.cause.user_failure_data
    assert "SliceMissing" in str(told or failure.step_failure_data.error)
    assert "sales 2024-02" in str(failure.step_failure_data)


def test_missing_months_are_left_out_where_the_input_allows_it(lake: BaseLakeIOManager) -> None:
    materialize(lake, ["2024-01", "2024-03"])
    result = dg.materialize([year(LENIENT), sales.to_source_asset()], resources={"lake": lake})
    [event] = result.asset_materializations_for_node("whole_year")
    assert event.metadata["months"].value == ["2024-01-01", "2024-03-01"]


def test_the_gcs_lake_leaves_the_environment_alone(gcs: GcsServer, tmp_path: Path) -> None:
    """dagster-gcp puts a key into the environment, for every process that is started later to find."""
    import os

    before = dict(os.environ)
    bucket = new_bucket()
    materialize(GCSLakeIOManager(gcs=GCSResource(), url=f"gs://{bucket.name}"), ["2024-01"])
    assert dict(os.environ) == before
