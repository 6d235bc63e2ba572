"""The frames of other libraries, in and out, and what they are loaded as."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager
from taxi_assets.resources import DuckDBResource
from taxi_assets.stores.rows import Rows

TABLE = pa.table({"zone": ["JFK", None, "EWR"], "fare": [1.5, 2.5, None]})
MADE = {
    "pandas": TABLE.to_pandas,
    "an Arrow table": lambda: TABLE,
    "an Arrow batch": lambda: TABLE.to_batches()[0],
    "an Arrow reader": TABLE.to_reader,
    "Polars": lambda: pl.from_arrow(TABLE),
    "lazy Polars": lambda: pl.from_arrow(TABLE).lazy().filter(pl.lit(value=True)),  # type: ignore[union-attr]
    "a DuckDB relation": lambda: duckdb.from_arrow(TABLE),
    "rows": lambda: Rows.from_table(TABLE),
}
LOADED: dict[str, tuple[Any, Any]] = {
    "pandas": (pd.DataFrame, pa.Table.from_pandas),
    "an Arrow table": (pa.Table, lambda table: table),
    "an Arrow reader": (pa.RecordBatchReader, lambda reader: reader.read_all()),
    "Polars": (pl.DataFrame, lambda frame: frame.to_arrow()),
    "lazy Polars": (pl.LazyFrame, lambda frame: frame.filter(pl.col("fare") > 0).collect().to_arrow()),
    "rows": (Rows, lambda rows: rows.to_table()),
}


@pytest.fixture(params=["duckdb", "lake"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> dg.ConfigurableIOManager:
    if request.param == "lake":
        return LakeIOManager(folder=str(tmp_path / "lake"))
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(tmp_path / "w.duckdb")))


@pytest.mark.parametrize("kind", MADE)
def test_what_an_asset_returns_is_stored(manager: dg.ConfigurableIOManager, kind: str) -> None:
    @dg.asset
    def trips() -> Any:
        return MADE[kind]()

    definitions = dg.Definitions([trips], resources={"io_manager": manager})
    assert dg.materialize([trips], resources={"io_manager": manager}).success
    found = definitions.load_asset_value("trips", python_type=pa.Table)
    assert found.to_pylist() == TABLE.to_pylist()


def test_the_types_of_polars_are_stored(manager: dg.ConfigurableIOManager) -> None:
    given = {
        "zone": pl.Series(["JFK", None], dtype=pl.Categorical),
        "rules": pl.Series([["stray", None], []]),
        "stop": pl.Series([{"zone": "EWR", "minutes": 3}, None]),
        "size": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int32, 2)),
        "unsigned": pl.Series([2**64 - 1, None], dtype=pl.UInt64),
        "amount": pl.Series(["1.50", None]).cast(pl.Decimal(9, 2)),
    }

    @dg.asset
    def trips() -> pl.DataFrame:
        return pl.DataFrame(given)

    definitions = dg.Definitions([trips], resources={"io_manager": manager})
    assert dg.materialize([trips], resources={"io_manager": manager}).success
    found = definitions.load_asset_value("trips", python_type=pl.DataFrame)
    assert found.to_dict(as_series=False) == pl.DataFrame(given).to_dict(as_series=False)


@pytest.mark.parametrize("kind", LOADED)
def test_an_input_is_loaded_as_it_is_annotated(manager: dg.ConfigurableIOManager, kind: str) -> None:
    wanted, as_table = LOADED[kind]

    @dg.asset
    def trips() -> pa.Table:
        return TABLE

    definitions = dg.Definitions([trips], resources={"io_manager": manager})
    assert dg.materialize([trips], resources={"io_manager": manager}).success
    loaded = definitions.load_asset_value("trips", python_type=wanted)
    assert isinstance(loaded, wanted)
    rows = as_table(loaded).to_pylist()
    assert [row["zone"] for row in rows][:2] == TABLE["zone"].to_pylist()[:2]
    assert [row["fare"] for row in rows][:2] == [1.5, 2.5]


def test_a_lazy_frame_is_read_no_further_than_it_is_asked(tmp_path: Path) -> None:
    opened: list[int] = []

    def batches() -> Any:
        for number in range(5):
            opened.append(number)
            yield pa.record_batch({"fare": [float(number)]})

    from taxi_assets.io_managers.frames import from_rows

    lazy = from_rows(Rows(pa.schema([("fare", pa.float64())]), batches), pl.LazyFrame)
    assert opened == []
    assert lazy.head(2).collect()["fare"].to_list() == [0.0, 1.0]
    assert len(opened) < 5


@pytest.mark.parametrize("value", [pd.Series([1]), pa.chunked_array([[1]]), [1], "rows", None])
def test_what_is_no_frame_is_refused_by_its_type(manager: dg.ConfigurableIOManager, value: object) -> None:
    @dg.asset
    def trips() -> Any:
        return value

    with pytest.raises(TypeError, match=f"cannot store a {type(value).__name__}: return a pandas or Polars frame"):
        dg.materialize([trips], resources={"io_manager": manager})


@pytest.mark.slow
def test_no_library_is_imported_that_is_not_used(tmp_path: Path) -> None:
    program = f"""
import sys, dagster as dg, pyarrow as pa
from taxi_assets.io_managers import LakeIOManager
@dg.asset
def trips() -> pa.Table:
    return pa.Table.from_batches([], pa.schema([("fare", pa.float64())]))  # any other way imports pandas
assert dg.materialize([trips], resources={{"io_manager": LakeIOManager(folder={str(tmp_path)!r})}}).success
print(sorted({{"pandas", "polars", "duckdb", "psycopg", "google.cloud.bigquery"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
