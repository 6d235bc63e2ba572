"""Assets with partitions of any kind, one or several in a run, in a DuckDB file, a lake and Postgres."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import psycopg
import pyarrow as pa
import pytest

from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager, PostgresIOManager
from taxi_assets.resources import DuckDBResource, PostgresResource
from taxi_assets_tests.stores.servers import new_database

# BackfillPolicy is in beta
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")

DAILY = dg.DailyPartitionsDefinition("2024-01-30", end_date="2024-02-05")
PARTITIONS: dict[str, tuple[dg.PartitionsDefinition[str], str, object]] = {
    "hourly": (
        dg.HourlyPartitionsDefinition("2024-01-01-00:00"),
        "2024-01-01-05:00",
        datetime(2024, 1, 1, 5, tzinfo=UTC),
    ),
    "hourly, of a zone": (
        dg.HourlyPartitionsDefinition("2024-01-01-00:00", timezone="America/New_York"),
        "2024-01-01-05:00",
        datetime(2024, 1, 1, 10, tzinfo=UTC),
    ),
    "daily": (DAILY, "2024-01-31", date(2024, 1, 31)),
    "daily, of a zone": (
        dg.DailyPartitionsDefinition("2024-01-30", timezone="America/New_York"),
        "2024-01-31",
        date(2024, 1, 31),
    ),
    "daily, from six o'clock": (
        dg.DailyPartitionsDefinition("2024-01-30", hour_offset=6),
        "2024-01-31",
        datetime(2024, 1, 31, 6, tzinfo=UTC),
    ),
    "weekly": (dg.WeeklyPartitionsDefinition("2024-01-07"), "2024-01-14", date(2024, 1, 14)),
    "monthly": (dg.MonthlyPartitionsDefinition("2024-01-01"), "2024-02-01", date(2024, 2, 1)),
    "every quarter of an hour": (
        dg.TimeWindowPartitionsDefinition(start="2024-01-01-00:00", fmt="%Y-%m-%d-%H:%M", cron_schedule="*/15 * * * *"),
        "2024-01-01-00:45",
        datetime(2024, 1, 1, 0, 45, tzinfo=UTC),
    ),
    "static": (dg.StaticPartitionsDefinition(["JFK", "La Guardia"]), "La Guardia", "La Guardia"),
}


@pytest.fixture(params=["duckdb", "lake", "postgres"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> dg.ConfigurableIOManager:
    if request.param == "duckdb":
        return DuckDBIOManager(duckdb=DuckDBResource(database=str(tmp_path / "w.duckdb")), key_column="key")
    if request.param == "lake":
        return LakeIOManager(folder=str(tmp_path / "lake"), key_column="key")
    url = new_database(request.getfixturevalue("postgres_url"))
    return PostgresIOManager(postgres=PostgresResource(url=url), key_column="key")


def readings(definition: dg.PartitionsDefinition[str], values: Mapping[str, Any]) -> dg.AssetsDefinition:
    """An asset that returns the value of its partition, or of its partitions as a mapping."""

    @dg.asset(name="readings", partitions_def=definition, backfill_policy=dg.BackfillPolicy.single_run())
    def made(context: dg.AssetExecutionContext) -> Any:
        if len(context.partition_keys) == 1:
            return values[context.partition_key]
        return {key: values[key] for key in context.partition_keys}

    return made


def frame(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"value": values})


def total(asset: dg.AssetsDefinition, manager: dg.ConfigurableIOManager) -> list[float]:
    """The values of all partitions that exist, as a downstream asset without partitions reads them."""

    @dg.asset(
        ins={
            "readings": dg.AssetIn(
                metadata={"allow_missing_partitions": True}, partition_mapping=dg.AllPartitionMapping()
            )
        }
    )
    def all_values(readings: pa.Table) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"values": sorted(readings["value"].to_pylist())})

    result = dg.materialize([all_values, asset.to_source_asset()], resources={"io_manager": manager})
    [event] = result.asset_materializations_for_node("all_values")
    values: list[float] = event.metadata["values"].value
    return values


@pytest.mark.parametrize("kind", PARTITIONS)
def test_a_partition_is_replaced_and_read(manager: dg.ConfigurableIOManager, kind: str) -> None:
    definition, key, expected = PARTITIONS[kind]
    for values in ((1.0,), (2.0, 3.0)):
        asset = readings(definition, {key: frame(*values)})
        assert dg.materialize([asset], partition_key=key, resources={"io_manager": manager}).success

    @dg.asset(partitions_def=definition)
    def copied(readings: pa.Table) -> dg.MaterializeResult:
        found = readings.sort_by("value")
        keys = set(found["key"].to_pylist()) if "key" in found.column_names else {expected}  # the lake adds no column
        return dg.MaterializeResult(metadata={"values": found["value"].to_pylist(), "is_right": keys == {expected}})

    result = dg.materialize([copied, asset.to_source_asset()], partition_key=key, resources={"io_manager": manager})
    [event] = result.asset_materializations_for_node("copied")
    assert (event.metadata["values"].value, event.metadata["is_right"].value) == ([2.0, 3.0], True)


def materialize_range(
    asset: dg.AssetsDefinition, first: str, last: str, manager: dg.ConfigurableIOManager, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [asset], tags=tags, resources={"io_manager": manager}, instance=instance, raise_on_error=False
    )


def recorded(instance: dg.DagsterInstance) -> dict[str | None, int]:
    """Partition -> rows, by the materializations."""
    events = instance.fetch_materializations(dg.AssetKey("readings"), limit=100).records
    found = [record.asset_materialization for record in events]
    return {one.partition: int(str(one.metadata["dagster/partition_row_count"].value)) for one in found if one}


def test_several_partitions_of_one_run_are_a_mapping(manager: dg.ConfigurableIOManager) -> None:
    values = {"2024-01-31": frame(1.0), "2024-02-01": frame(2.0, 3.0), "2024-02-02": frame()}
    asset = readings(DAILY, values)
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize_range(asset, "2024-01-31", "2024-02-02", manager, instance).success
        assert recorded(instance) == {"2024-01-31": 1, "2024-02-01": 2, "2024-02-02": 0}
    assert total(asset, manager) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "as_date", [pd.Timestamp, str, lambda day: pd.Timestamp(day).date()], ids=["times", "text", "dates"]
)
def test_several_partitions_of_one_run_are_split_by_the_key_column(
    manager: dg.ConfigurableIOManager, as_date: Any
) -> None:
    @dg.asset(name="readings", partitions_def=DAILY, backfill_policy=dg.BackfillPolicy.single_run())
    def made() -> pd.DataFrame:
        days = [as_date("2024-02-01"), as_date("2024-01-31"), as_date("2024-02-01")]
        return pd.DataFrame({"value": [2.0, 1.0, 3.0], "key": days})

    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize_range(made, "2024-01-31", "2024-02-02", manager, instance).success
        assert recorded(instance) == {"2024-01-31": 1, "2024-02-01": 2, "2024-02-02": 0}
    assert total(made, manager) == [1.0, 2.0, 3.0]


def test_what_is_done_when_a_partition_fails_is_kept_and_recorded(manager: dg.ConfigurableIOManager) -> None:
    strange = pd.DataFrame({"value": [9.0], "key": [pd.Timestamp("1999-01-01")]})
    asset = readings(DAILY, {"2024-01-31": frame(1.0), "2024-02-01": strange, "2024-02-02": frame(3.0)})
    with dg.DagsterInstance.ephemeral() as instance:
        assert not materialize_range(asset, "2024-01-31", "2024-02-02", manager, instance).success
        assert recorded(instance) == {"2024-01-31": 1}
    assert total(asset, manager) == [1.0]


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    [failure] = [event for event in result.all_events if event.is_step_failure]
    return str(failure.step_failure_data)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (frame(1.0, 2.0), "needs the column key with each row's partition, or must be a mapping"),
        (
            {"2024-01-31": frame(1.0)},
            "the output has the partitions 2024-01-31, and this run materializes 2024-01-31, 2024-02-01",
        ),
        (
            pd.DataFrame({"value": [1.0], "key": ["2024-03-01"]}),
            "key holds 2024-03-01, which is none of this run's partitions",
        ),
    ],
    ids=["no column", "a partition is missing", "another partition"],
)
def test_an_output_that_cannot_be_split_is_refused_before_anything_is_stored(
    manager: dg.ConfigurableIOManager, values: object, words: str
) -> None:
    @dg.asset(name="readings", partitions_def=DAILY, backfill_policy=dg.BackfillPolicy.single_run())
    def made() -> Any:
        return values

    with dg.DagsterInstance.ephemeral() as instance:
        assert words in failure_of(materialize_range(made, "2024-01-31", "2024-02-01", manager, instance))
        assert recorded(instance) == {}


def test_static_partitions_are_lists_in_postgres(postgres_url: str) -> None:
    url = new_database(postgres_url)
    definition = dg.StaticPartitionsDefinition(["JFK", "O'Hare"])
    asset = readings(definition, {"O'Hare": frame(1.0)})
    manager = PostgresIOManager(postgres=PostgresResource(url=url))
    assert dg.materialize([asset], partition_key="O'Hare", resources={"io_manager": manager}).success
    with psycopg.connect(url) as connection:
        bounds = connection.execute(
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'"
        ).fetchall()
        assert bounds == [("FOR VALUES IN ('O''Hare')",)]
        assert connection.execute("SELECT partition_key, value FROM readings").fetchall() == [("O'Hare", 1.0)]


def test_the_metadata_of_an_asset_names_its_key_column(manager: dg.ConfigurableIOManager) -> None:
    """As with Dagster's own IO managers for databases; also in the lake, and for assets that read it."""

    @dg.asset(partitions_def=DAILY, metadata={"partition_expr": "day"}, backfill_policy=dg.BackfillPolicy.single_run())
    def readings() -> pd.DataFrame:
        return pd.DataFrame({"value": [2.0, 1.0], "day": ["2024-02-01", "2024-01-31"]})

    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize_range(readings, "2024-01-31", "2024-02-01", manager, instance).success
        assert recorded(instance) == {"2024-01-31": 1, "2024-02-01": 1}
    assert total(readings, manager) == [1.0, 2.0]
