"""Which table an asset is kept in: the one that its metadata names, or else the one of its key's last part."""

from pathlib import Path

import dagster as dg
import duckdb
import pandas as pd
import pytest

from taxi_assets.io_managers import DuckDBIOManager
from taxi_assets.resources import DuckDBResource


def sales(metadata: dict[str, str]) -> dg.AssetsDefinition:
    @dg.asset(key=["shop", "sales_in_the_warehouse"], metadata=metadata)
    def _sales() -> pd.DataFrame:
        return pd.DataFrame({"amount": [12.5]})

    return _sales


@dg.asset(ins={"sales": dg.AssetIn(["shop", "sales_in_the_warehouse"])})
def revenue(sales: pd.DataFrame) -> pd.DataFrame:
    return sales.rename(columns={"amount": "revenue"})


def tables(file: Path) -> set[str]:
    with duckdb.connect(file, read_only=True) as connection:
        found = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
    return {".".join(names) for names in found}


def manager(file: Path) -> DuckDBIOManager:
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(file)), schema_name="shop")


@pytest.mark.parametrize(
    ("metadata", "table"),
    [
        ({"dagster/table_name": "shop.sales"}, "shop.sales"),
        ({"dagster/table_name": "sales"}, "shop.sales"),
        ({}, "shop.sales_in_the_warehouse"),
    ],
)
def test_the_metadata_names_the_table_for_writing_and_for_reading(
    tmp_path: Path, metadata: dict[str, str], table: str
) -> None:
    file = tmp_path / "shop.duckdb"
    result = dg.materialize([sales(metadata), revenue], resources={"io_manager": manager(file)})
    assert tables(file) == {table, "shop.revenue"}
    [event] = result.asset_materializations_for_node("_sales") or result.asset_materializations_for_node(
        "shop__sales_in_the_warehouse"
    )
    assert event.metadata["dagster/table_name"].value.endswith(table)


def test_a_table_in_another_schema_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    file = tmp_path / "shop.duckdb"
    elsewhere = sales({"dagster/table_name": "attic.sales"})
    result = dg.materialize([elsewhere], resources={"io_manager": manager(file)}, raise_on_error=False)
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "its IO manager writes to shop" in str(failure.user_failure_data)
    assert not file.exists()
