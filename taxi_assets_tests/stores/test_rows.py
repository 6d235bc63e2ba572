from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import SchemaMismatch
from taxi_assets.stores.arrow import type_names
from taxi_assets.stores.duckdb.column_types import TYPES
from taxi_assets.stores.rows import Rows

FARES = pa.table({"row": [0, 1], "fare": [1.5, None]})
DESCRIBED = FARES.schema.with_metadata({"description": "Fares.", "taxi/source_url": "https://example.org"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Parquet file of two fares."""
    pq.write_table(FARES, tmp_path / "fares.parquet")
    return tmp_path / "fares.parquet"


def test_rows_are_streamed_as_often_as_asked_for() -> None:
    rows = Rows.from_table(FARES)
    assert rows.to_table() == rows.reader().read_all() == FARES


def test_the_named_levels_of_a_dataframes_index_are_columns() -> None:
    frame = pd.DataFrame({"shop": ["north", "south", "north"], "day": [1, 2, 2], "fare": [1.5, 2.0, 4.0]})
    assert Rows.from_pandas(frame.groupby("shop").sum()[["fare"]]).to_table().to_pydict() == {
        "shop": ["north", "south"],
        "fare": [5.5, 2.0],
    }
    assert Rows.from_pandas(frame.set_index(["shop", "day"])).schema.names == ["shop", "day", "fare"]
    frame.index.name = 3
    assert Rows.from_pandas(frame).schema.names == ["3", "shop", "day", "fare"]


def test_row_numbers_in_a_dataframes_index_are_left_out() -> None:
    frame = pd.DataFrame({"fare": [1.5, 2.0, 4.0]})
    for numbered in (frame, frame[frame["fare"] > 1.5], pd.concat([frame, frame]), frame.iloc[:0]):
        assert Rows.from_pandas(numbered).schema.names == ["fare"]


def test_an_index_that_holds_something_and_has_no_name_is_refused() -> None:
    for index in (pd.Index(["first"]), pd.MultiIndex.from_tuples([("north", 1)]), pd.DatetimeIndex(["2024-01-01"])):
        with pytest.raises(SchemaMismatch, match=r"name it \(frame.index.name = ...\), or leave it out"):
            Rows.from_pandas(pd.DataFrame({"fare": [1.5]}, index=index))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"fare": [1.5]}, index=pd.Index(["first"], name="fare")),
        pd.DataFrame([[1.5, 2.0]], columns=["fare", "fare"]),
        pd.DataFrame({"fare": [1.5, "two"]}),
        pd.DataFrame({"row": [1], "fare": [2**70]}),
        pd.DataFrame({"row": [1], "fare": ["\ud800"]}),
    ],
    ids=["an index called as a column", "a column twice", "two types", "a number of 71 bits", "half a letter"],
)
def test_a_dataframe_that_no_table_can_hold_is_refused_with_its_column(frame: pd.DataFrame) -> None:
    with pytest.raises(SchemaMismatch, match=r"the DataFrame cannot be stored: .*fare"):
        Rows.from_pandas(frame)


def test_rows_without_a_column_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="DuckDB cannot hold rows without a column"):
        type_names(Rows.from_pandas(pd.DataFrame(index=[0, 1])).schema, TYPES)


def test_files_of_one_schema_are_named(path: Path) -> None:
    rows = Rows.from_parquet([path, path])
    assert rows.files == (str(path), str(path))
    assert rows.to_table() == pa.concat_tables([FARES, FARES])


def test_files_of_another_schema_than_the_rows_are_not_named(path: Path) -> None:
    wider = pa.schema([*FARES.schema, ("fee", pa.float64())])
    rows = Rows.from_parquet([path], wider)
    assert rows.files == ()
    assert rows.to_table().to_pydict() == {"row": [0, 1], "fare": [1.5, None], "fee": [None, None]}


def test_metadata_change_without_a_look_at_the_files(path: Path) -> None:
    rows = Rows.from_parquet([path]).with_schema(DESCRIBED)
    assert rows.files == (str(path),)
    assert rows.to_table().schema.equals(DESCRIBED, check_metadata=True)


def test_the_first_rows_are_the_same_from_a_file_and_from_a_stream(path: Path) -> None:
    for rows in (Rows.from_parquet([path]), Rows.from_table(FARES)):
        assert rows.head(1).to_pylist() == [{"row": 0, "fare": 1.5}]
        assert rows.head(5).num_rows == 2
    assert Rows.from_table(FARES.slice(0, 0)).head(1).num_rows == 0


def test_a_column_is_empty_where_no_file_has_a_value_in_it(tmp_path: Path) -> None:
    never, once, always = [None] * 3, [None, None, 1], [1, 2, 3]
    columns = {"never": pa.array(never, pa.int64()), "once": pa.array(once), "always": pa.array(always)}
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "month.parquet", row_group_size=1)
    assert Rows.from_parquet([tmp_path / "month.parquet"]).empty_columns() == {"never"}
    assert Rows.from_table(table).empty_columns() == set()


def test_provenance_is_what_taxi_says_in_the_metadata() -> None:
    rows = Rows.from_table(FARES).with_schema(DESCRIBED).with_provenance({"taxi/rows": "2"})
    assert rows.provenance == {"taxi/source_url": "https://example.org", "taxi/rows": "2"}


def test_provenance_that_is_stated_again_takes_the_place_of_the_older() -> None:
    rows = Rows.from_table(FARES).with_schema(DESCRIBED).with_provenance({"taxi/source_url": "https://example.com"})
    assert rows.provenance == {"taxi/source_url": "https://example.com"}


def test_columns_are_cast_reordered_and_filled_in() -> None:
    schema = pa.schema({"fee": pa.float64(), "fare": pa.string(), "row": pa.int16()})
    table = Rows.from_table(FARES).with_schema(schema).to_table()
    assert table.schema == schema
    assert table.to_pydict() == {"fee": [None, None], "fare": ["1.5", None], "row": [0, 1]}


def test_a_value_that_does_not_fit_its_new_type_is_refused_with_its_column() -> None:
    with pytest.raises(SchemaMismatch, match="column fare does not fit int64"):
        Rows.from_table(FARES).with_schema(pa.schema({"row": pa.int64(), "fare": pa.int64()})).to_table()


def test_a_column_that_there_is_no_place_for_is_refused_by_name() -> None:
    with pytest.raises(SchemaMismatch, match="no place for the columns fare"):
        Rows.from_table(FARES).with_schema(pa.schema({"row": pa.int64()})).to_table()
