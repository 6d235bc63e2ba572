"""DuckDB's memory and threads are the resource's settings, and its connections share the file with the IO manager's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_duckdb
import pyarrow as pa
import pytest

from taxi_assets.io_managers import DuckDBIOManager
from taxi_assets.resources import DuckDBResource

SETTINGS = "SELECT current_setting('threads'), current_setting('memory_limit')"


def settings_while_loading(resource: dagster_duckdb.DuckDBResource) -> tuple[int, str]:
    """DuckDB's settings, as a connection of the resource sees them while the IO manager stores the rows."""
    found: list[tuple[int, str]] = []

    def batches() -> Iterator[pa.RecordBatch]:
        with resource.get_connection() as connection:
            found.extend(connection.execute(SETTINGS).fetchall())
        yield from pa.table({"celsius": [1.5]}).to_batches()

    @dg.asset
    def readings() -> Any:
        return pa.RecordBatchReader.from_batches(pa.schema({"celsius": pa.float64()}), batches())

    assert dg.materialize([readings], resources={"io_manager": DuckDBIOManager(duckdb=resource)}).success
    [settings] = set(found)
    return settings


@pytest.mark.parametrize("kind", [DuckDBResource, dagster_duckdb.DuckDBResource], ids=["ours", "Dagster's"])
@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({}, (2, "488.2 MiB")),
        ({"memory_limit": "2GB"}, (2, "1.8 GiB")),
        ({"threads": 5}, (5, "488.2 MiB")),
        ({"threads": 3, "max_memory": "1GB"}, (3, "953.6 MiB")),  # DuckDB's other name for it
    ],
)
def test_the_resource_sets_memory_and_threads(
    tmp_path: Path, kind: type[dagster_duckdb.DuckDBResource], config: dict[str, Any], settings: tuple[int, str]
) -> None:
    resource = kind(database=str(tmp_path / "weather.duckdb"), connection_config=config)
    assert settings_while_loading(resource) == settings


def test_a_setting_that_duckdb_does_not_know_fails_with_its_name(tmp_path: Path) -> None:
    resource = DuckDBResource(database=str(tmp_path / "weather.duckdb"), connection_config={"memory_limt": "2GB"})

    @dg.asset
    def readings() -> pa.Table:
        return pa.table({"celsius": [1.5]})

    resources = {"io_manager": DuckDBIOManager(duckdb=resource)}
    with pytest.raises(dg.Failure, match="memory_limt"):
        dg.materialize([readings], resources=resources)
    assert not (tmp_path / "weather.duckdb").exists()


def test_an_asset_reads_its_input_lazily_beside_a_connection_of_the_resource(tmp_path: Path) -> None:
    resource = DuckDBResource(database=str(tmp_path / "weather.duckdb"))

    @dg.asset
    def readings() -> pa.Table:
        return pa.table({"celsius": [1.5, 2.5]})

    @dg.asset
    def warmest(duckdb: DuckDBResource, readings: pa.RecordBatchReader) -> pa.Table:
        with duckdb.get_connection() as connection:
            [(highest,)] = connection.execute("SELECT max(celsius) FROM public.readings").fetchall()
            return pa.table({"highest": [highest], "rows": [readings.read_all().num_rows]})

    resources = {"io_manager": DuckDBIOManager(duckdb=resource, patience=0), "duckdb": resource}
    result = dg.materialize([readings, warmest], resources=resources)
    assert result.asset_value("warmest").to_pylist() == [{"highest": 2.5, "rows": 2}]
