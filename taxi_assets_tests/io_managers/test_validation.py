"""What is refused when definitions load, before anything is computed."""

from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers import BigQueryIOManager, DuckDBIOManager, LakeIOManager, storable
from taxi_assets.resources import DuckDBResource
from taxi_assets.resources.google_cloud import BigQueryResource

STATIC = dg.StaticPartitionsDefinition(["JFK", "EWR"])
QUARTERS = dg.TimeWindowPartitionsDefinition(
    start="2024-01-01-00:00", fmt="%Y-%m-%d-%H:%M", cron_schedule="*/15 * * * *"
)
MULTI = dg.MultiPartitionsDefinition({"day": dg.DailyPartitionsDefinition("2024-01-01"), "station": STATIC})


def definitions(
    manager: dg.ConfigurableIOManager,
    *names: str,
    partitions: dg.PartitionsDefinition[str] | None = None,
    table: str | None = None,
) -> dg.Definitions:
    metadata = {} if table is None else {"dagster/table_name": table}
    assets = [
        dg.asset(key=name.split("/"), partitions_def=partitions, metadata=metadata)(lambda: None) for name in names
    ]
    return dg.Definitions(assets, resources={"io_manager": manager})


@pytest.fixture
def duckdb(tmp_path: Path) -> DuckDBIOManager:
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(tmp_path / "w.duckdb")))


@pytest.fixture
def bigquery() -> BigQueryIOManager:
    return BigQueryIOManager(bigquery=BigQueryResource(project="project"), dataset="weather")


@pytest.mark.parametrize("partitions", [STATIC, QUARTERS], ids=["names", "quarters of an hour"])
def test_bigquery_has_no_partitions_of_these(
    bigquery: BigQueryIOManager, partitions: dg.PartitionsDefinition[str]
) -> None:
    with pytest.raises(InvalidRequest, match=r"readings cannot be stored: BigQuery has no partition for the .* DuckDB"):
        storable(definitions(bigquery, "readings", partitions=partitions))


@pytest.mark.parametrize(
    "partitions",
    [
        dg.HourlyPartitionsDefinition("2024-01-01-00:00", timezone="Asia/Tokyo"),
        dg.DailyPartitionsDefinition("2124-01-01"),
        dg.WeeklyPartitionsDefinition("2024-01-01"),
        dg.MonthlyPartitionsDefinition("2024-01-01"),
        None,
    ],
    ids=["hours", "days", "weeks", "months", "none"],
)
def test_bigquery_has_partitions_of_those(
    bigquery: BigQueryIOManager, partitions: dg.PartitionsDefinition[str] | None
) -> None:
    given = definitions(bigquery, "readings", partitions=partitions)
    assert storable(given) is given


def test_no_store_has_partitions_of_two_dimensions(duckdb: DuckDBIOManager, tmp_path: Path) -> None:
    for manager in (duckdb, LakeIOManager(folder=str(tmp_path))):
        with pytest.raises(InvalidRequest, match="multi-dimensional partitions cannot be stored: give the asset one"):
            storable(definitions(manager, "readings", partitions=MULTI))


def test_two_assets_of_one_table_are_refused(duckdb: DuckDBIOManager, tmp_path: Path) -> None:
    words = "north/readings and south/Readings would both be stored in the table Readings"
    with pytest.raises(InvalidRequest, match=words):
        storable(definitions(duckdb, "north/readings", "south/Readings"))
    with pytest.raises(InvalidRequest, match="both be stored in the table weather"):
        storable(definitions(duckdb, "north", "south", table="public.weather"))
    storable(definitions(LakeIOManager(folder=str(tmp_path)), "north/readings", "south/readings"))


@pytest.mark.parametrize("table", ["loaded_months", "loaded_partitions"])
def test_a_table_of_the_store_itself_is_refused(duckdb: DuckDBIOManager, table: str) -> None:
    with pytest.raises(InvalidRequest, match=f"keeps records of its own in a table {table}. Name another one"):
        storable(definitions(duckdb, f"weather/{table}"))


def test_assets_of_other_io_managers_are_none_of_its_business() -> None:
    storable(definitions(dg.FilesystemIOManager(), "readings", partitions=MULTI))
