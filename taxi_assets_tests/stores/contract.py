"""What every store does alike, tested on the real thing.

A store's test class inherits from `StoreContract`, or from `TableContract` if it keeps tables, and brings a `store`
fixture. Where a store differs it overrides the test and says why.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import SchemaMismatch, SliceMissing, StoreError, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.stores.arrow import description
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.rows_digest import digest_of
from taxi_assets.stores.rows import Rows

from .partition_contract import PartitionContract
from .type_contract import TypeContract
from .versions import (
    FEW,
    AnyStore,
    TableStore,
    entry_of,
    few_rows_of,
    replace_and_tell_in_turn,
    replace_in_turn,
    rows_of,
    version_of,
)

JANUARY, FEBRUARY, MARCH = Month(2024, 1), Month(2024, 2), Month(2024, 3)
MONTH_COLUMN = "source_month"

TEXTS = [
    "",
    " ",
    "Upper East Side South",
    "Łódź, naïve, 東京, 🚕",
    'O\'Hare "B6" `x`',
    "back\\slash \\N \\. C:\\n",
    "two\nlines\r\nand a\ttab",
    "NULL",
    "100% {} %s $1 ; --",
    "x" * 100_000,
]
TYPICAL = pa.table(
    {
        "row": pa.array([0, 1, 2], pa.int64()),
        "flag": pa.array([True, False, None]),
        "vendor": pa.array([1, None, 2], pa.int16()),
        "source_row": pa.array([None, 7, 8], pa.int32()),
        "fare": pa.array([1.5, -2.25, None]),
        "zone": pa.array(["JFK", None, "EWR"]),
        "raw": pa.array([b"\x00\xff", None, b""]),
        "day": pa.array([date(2024, 1, 31), None, date(1999, 12, 31)]),
        "pickup": pa.array([datetime(2024, 1, 31, 23, 59, 59, 999_999), None, datetime(2008, 12, 31)]),
        "instant": pa.array([datetime(2024, 1, 31, 4, tzinfo=UTC), None, datetime(2024, 7, 1, tzinfo=UTC)]),
    }
)

DIGESTED = pa.table(
    {
        "row": pa.array([0, 1, 2, 9_999_999], pa.int32()),
        "vendor": pa.array([1, None, -32768, 32767], pa.int16()),
        "fare": pa.array([12.34, -0.01, None, 1e300]),
        "zone": pa.array(["JFK", None, "", "Łódź"]),
        "base": pa.array(["B00254", "B00254", None, "B02512"]),
        "day": pa.array([date(2024, 2, 29), None, date(1969, 12, 31), date(1970, 1, 1)]),
        "pickup": pa.array(
            [datetime(2024, 2, 29, 23, 59, 59, 999_999), None, datetime(1900, 1, 1), datetime(3019, 5, 6)]
        ),
    }
)
PARTS = {"all": list(DIGESTED.schema), **{field.name: [field] for field in DIGESTED.schema}}
CHANGES = [
    ("vendor", [1, -1, -32768, 32767]),
    ("vendor", [None, 1, -32768, 32767]),
    ("fare", [12.35, -0.01, None, 1e300]),
    ("fare", [12.34, -0.01, 0.0, 1e300]),
    ("fare", [-0.01, 12.34, None, 1e300]),
    ("zone", ["JFK", "", "", "Łódź"]),
    ("zone", ["JFK", None, "Łódź", ""]),
    ("base", ["B00254", "B00255", None, "B02512"]),
    ("day", [date(2024, 3, 1), None, date(1969, 12, 31), date(1970, 1, 1)]),
    ("pickup", [datetime(2024, 2, 29, 23, 59, 58), None, datetime(1900, 1, 1), datetime(3019, 5, 6)]),
]


def fares(*values: float | None, first_row: int = 0) -> pa.Table:
    """Numbered rows of one column."""
    return pa.table({"row": range(first_row, first_row + len(values)), "fare": pa.array(values, pa.float64())})


def numbered(**columns: pa.Array) -> pa.Table:
    """The columns with the rows' numbers before them."""
    table = pa.table(columns)
    return table.add_column(0, "row", pa.array(range(table.num_rows), pa.int64()))


def broken_off(rows: Rows, error: BaseException) -> Rows:
    """The first three batches of the rows, and then the error."""

    def open_batches() -> Iterator[pa.RecordBatch]:
        yield from islice(rows.batches(), 3)
        raise error

    return Rows(rows.schema, open_batches)


def assert_same(found: pa.Table, given: pa.Table) -> None:
    """Equal names, types and values; minus zero and NaN count as what they are."""
    assert {field.name: field.type for field in found.schema} == {field.name: field.type for field in given.schema}
    assert repr(found.select(given.column_names).to_pydict()) == repr(given.to_pydict())


class StoreContract(PartitionContract, TypeContract):
    """What every store does; a subclass brings the fixture `store`."""

    table = "trips"
    #: What Arrow types of a DataFrame come back as.
    frame_types: ClassVar[dict[str, pa.DataType]] = {
        "row": pa.int64(),
        "zone": pa.string(),
        "pickup": pa.timestamp("us"),
        "nothing": pa.string(),
        "vendor": pa.int16(),
        "fare": pa.float64(),
    }
    #: What the Arrow types of rows come back as where the store has fewer.
    wider: ClassVar[dict[pa.DataType, pa.DataType]] = {}
    #: No store has room for this one.
    impossible = pa.month_day_nano_interval()

    def put(self, store: AnyStore, month: Month | None, table: pa.Table) -> None:
        store.replace(TableSlice(self.table, month), Rows.from_table(table))

    def assert_same(self, found: pa.Table, given: pa.Table) -> None:
        """Equal names, types and values, in the types that the store has."""
        schema = pa.schema([field.with_type(self.wider.get(field.type, field.type)) for field in given.schema])
        assert_same(found, given.cast(schema))

    def found(self, store: AnyStore, *months: Month) -> pa.Table:
        """The months' rows, or all, by their numbers and without the month that tables add."""
        found = store.read(self.table, months or None).to_table().sort_by("row")
        return found.select([name for name in found.column_names if name != MONTH_COLUMN])

    # What is there

    def test_what_is_put_in_is_found_counted_and_listed(self, store: AnyStore) -> None:
        stored = store.replace(TableSlice(self.table, JANUARY), Rows.from_table(TYPICAL))
        assert stored.rows == store.count(TableSlice(self.table, JANUARY)) == 3
        assert store.months(self.table) == [JANUARY]
        self.assert_same(self.found(store, JANUARY), TYPICAL)

    def test_replacing_tells_rows_schema_and_types(self, store: AnyStore) -> None:
        stored = store.replace(TableSlice(self.table, JANUARY), Rows.from_table(TYPICAL))
        assert stored.rows == 3
        assert set(stored.types) == set(stored.schema.names) >= set(TYPICAL.column_names)

    def test_the_same_again_changes_nothing(self, store: AnyStore) -> None:
        for _ in range(2):
            self.put(store, JANUARY, TYPICAL)
        self.assert_same(self.found(store), TYPICAL)

    def test_a_month_is_replaced_and_its_neighbours_stay(self, store: AnyStore) -> None:
        for month, fare in ((FEBRUARY, 2.0), (JANUARY, 1.0), (MARCH, 3.0)):
            self.put(store, month, fares(fare, first_row=month.number))
        self.put(store, FEBRUARY, fares(20.0, 21.0, first_row=10))
        assert store.months(self.table) == [JANUARY, FEBRUARY, MARCH]
        assert [store.count(TableSlice(self.table, month)) for month in (JANUARY, FEBRUARY, MARCH)] == [1, 2, 1]
        assert self.found(store)["fare"].to_pylist() == [1.0, 3.0, 20.0, 21.0]
        assert self.found(store, MARCH, JANUARY)["fare"].to_pylist() == [1.0, 3.0]

    def test_rows_can_be_read_again(self, store: AnyStore) -> None:
        self.put(store, JANUARY, fares(1.0))
        rows = store.read(self.table, [JANUARY])
        assert rows.to_table().num_rows == rows.to_table().num_rows == 1

    @pytest.mark.parametrize("batches", [[], [TYPICAL.to_batches()[0].slice(0, 0)]], ids=["no", "an empty"])
    def test_an_empty_month_is_there(self, store: AnyStore, batches: list[pa.RecordBatch]) -> None:
        piece = TableSlice(self.table, JANUARY)
        self.put(store, JANUARY, TYPICAL)
        stored = store.replace(piece, Rows(TYPICAL.schema, lambda: batches))
        assert (stored.rows, store.count(piece), store.months(self.table)) == (0, 0, [JANUARY])
        self.assert_same(self.found(store, JANUARY), TYPICAL.schema.empty_table())

    def test_a_month_that_is_not_there_is_named(self, store: AnyStore) -> None:
        self.put(store, JANUARY, TYPICAL)
        assert store.count(TableSlice(self.table, FEBRUARY)) == 0
        with pytest.raises(SliceMissing, match=f"{self.table}.* 2024-02.*materialize") as caught:
            store.read(self.table, [JANUARY, FEBRUARY])
        assert "2024-01" not in str(caught.value)

    @pytest.mark.parametrize("months", [None, [JANUARY]], ids=["all", "one"])
    def test_a_table_that_is_not_there_is_named(self, store: AnyStore, months: list[Month] | None) -> None:
        assert (store.count(TableSlice(self.table)), store.months(self.table)) == (0, [])
        with pytest.raises(SliceMissing, match=f"{self.table}.*materialize"):
            store.read(self.table, months)

    def test_a_row_is_found_by_its_values(self, store: AnyStore) -> None:
        for month in (JANUARY, FEBRUARY):
            self.put(store, month, TYPICAL)
        for row in self.found(store, JANUARY).to_pylist():
            found = store.row(TableSlice(self.table, JANUARY), {"row": row["row"]})
            assert {name: value for name, value in (found or {}).items() if name != MONTH_COLUMN} == row
        pickup = TYPICAL["pickup"][0].as_py()
        found = store.row(TableSlice(self.table, FEBRUARY), {"row": 0, "pickup": pickup})
        assert found is not None
        assert found["pickup"] == pickup

    def test_a_row_that_is_not_there_is_none(self, store: AnyStore) -> None:
        assert store.row(TableSlice(self.table, JANUARY), {"row": 0}) is None
        self.put(store, JANUARY, TYPICAL)
        assert store.row(TableSlice(self.table, JANUARY), {"row": 3}) is None
        assert store.row(TableSlice(self.table, JANUARY), {"row": 0, "vendor": 2}) is None
        assert store.row(TableSlice(self.table, FEBRUARY), {"row": 0}) is None

    def test_a_table_without_months_is_replaced_as_a_whole(self, store: AnyStore) -> None:
        for table in (TYPICAL, fares(1.0, 2.0)):
            self.put(store, None, table)
        assert store.count(TableSlice(self.table)) == 2
        assert self.found(store)["fare"].to_pylist() == [1.0, 2.0]

    @pytest.mark.parametrize(
        ("first", "second", "words"),
        [
            (None, JANUARY, "holds one whole table, and the asset has (months|partitions by .*) now"),
            (JANUARY, None, "holds (months|partitions by .*), and the asset has no partitions now"),
        ],
        ids=["gains", "loses"],
    )
    def test_an_asset_that_gains_or_loses_its_months_is_refused_until_its_table_is_removed(
        self, store: AnyStore, first: Month | None, second: Month | None, words: str
    ) -> None:
        self.put(store, first, fares(1.0))
        with pytest.raises(SchemaMismatch, match=f"{words}: .*another name"):
            self.put(store, second, fares(2.0, 3.0))
        assert self.found(store)["fare"].to_pylist() == [1.0]

    @pytest.mark.parametrize(
        "brought",
        [
            pd.Series([pd.Timestamp(2024, 1, 1)] * 2),
            pd.Series([pd.Timestamp(2024, 1, 1, tz="America/New_York")] * 2),
            pd.Series(["2024-01-01"] * 2),
            pd.Series(["2024-01-01"] * 2, dtype="category"),
            pd.Series([date(2024, 1, 1)] * 2),
        ],
        ids=["Timestamp", "Timestamp with a zone", "text", "category", "date"],
    )
    def test_a_month_column_that_stands_for_the_date_becomes_one(self, store: AnyStore, brought: pd.Series) -> None:
        frame = pd.DataFrame({"row": [0, 1], MONTH_COLUMN: brought})
        store.replace(TableSlice(self.table, JANUARY), Rows.from_pandas(frame))
        found = store.read(self.table, [JANUARY]).to_table()
        assert found.schema.field(MONTH_COLUMN).type == pa.date32()
        assert found[MONTH_COLUMN].to_pylist() == [date(2024, 1, 1)] * 2

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (date(2024, 2, 1), "'2024-02-01'"),
            (date(2024, 1, 2), "'2024-01-02'"),
            (pd.Timestamp(2024, 1, 1, 5), "'2024-01-01 05:00:00'"),
            (pd.Timestamp(2023, 12, 31, 19, tz="America/New_York"), "'2023-12-31 19:00:00'"),
            ("2024-01", "'2024-01'"),
            ("January", "'January'"),
            (202401, "'202401'"),
            (None, "no value"),
        ],
        ids=str,
    )
    def test_a_month_column_with_anything_else_is_refused_with_its_value(
        self, store: AnyStore, value: object, words: str
    ) -> None:
        self.put(store, JANUARY, fares(1.0))
        strange = pd.DataFrame({"row": [0, 1], "fare": [2.0, 3.0], MONTH_COLUMN: [value, value]})
        with pytest.raises(SchemaMismatch, match=f"{MONTH_COLUMN} must hold the DATE 2024-01-01 .* holds {words}:"):
            store.replace(TableSlice(self.table, JANUARY), Rows.from_pandas(strange))
        assert self.found(store)["fare"].to_pylist() == [1.0]

    def test_names_need_no_care(self, store: AnyStore) -> None:
        table = """Trips "of" it's; 100% {} %s"""
        given = TYPICAL.rename_columns([f'{name} "%s" {{0}}; --' for name in TYPICAL.column_names])
        for _ in range(2):
            store.replace(TableSlice(table, JANUARY), Rows.from_table(given))
        assert (store.count(TableSlice(table, JANUARY)), store.months(table)) == (3, [JANUARY])
        for months in ([JANUARY], None):
            self.assert_same(store.read(table, months).to_table().select(given.column_names), given)
        found = store.row(TableSlice(table, JANUARY), {given.column_names[0]: 1})
        assert found is not None
        assert found[given.column_names[0]] == 1

    # Columns that come and go

    def test_a_column_that_the_rows_lack_is_null(self, store: AnyStore) -> None:
        self.put(store, JANUARY, numbered(zone=pa.array(["JFK"]), fare=pa.array([1.0])))
        self.put(store, FEBRUARY, fares(2.0, first_row=1))
        assert self.found(store).to_pylist() == [
            {"row": 0, "zone": "JFK", "fare": 1.0},
            {"row": 1, "zone": None, "fare": 2.0},
        ]

    def test_a_new_column_is_null_in_older_months(self, store: AnyStore) -> None:
        self.put(store, JANUARY, fares(1.0))
        self.put(store, FEBRUARY, pa.table({"row": [1], "fare": [2.0], "congestion_fee": [0.75]}))
        assert self.found(store)["congestion_fee"].to_pylist() == [None, 0.75]

    def test_columns_land_by_name_in_whatever_order_they_come(self, store: AnyStore) -> None:
        given = pa.table({"row": [0], "fare": [1.0], "tip": [2.0]})
        self.put(store, JANUARY, given)
        self.put(store, FEBRUARY, pa.table({"tip": [4.0], "row": [1], "fare": [3.0]}))
        assert self.found(store)["fare"].to_pylist() == [1.0, 3.0]
        self.put(store, JANUARY, given.select(["tip", "fare", "row"]))
        self.assert_same(self.found(store, JANUARY), given)

    def test_a_column_of_nulls_without_a_type_is_taken(self, store: AnyStore) -> None:
        for _ in range(2):
            self.put(store, JANUARY, numbered(nothing=pa.nulls(2)))
        assert self.found(store, JANUARY)["nothing"].to_pylist() == [None, None]

    def test_descriptions_travel_with_the_rows(self, store: AnyStore) -> None:
        for text in ("In dollars.", "In dollars, with 'tips' and 100 % \"extras\"."):
            schema = pa.schema(
                [pa.field("row", pa.int64()), pa.field("fare", pa.float64(), metadata={"description": text})]
            )
            self.put(store, JANUARY, fares(1.0).cast(schema))
            assert description(store.read(self.table, [JANUARY]).schema.field("fare")) == text

    # Values

    def test_a_month_is_told_by_its_slice_and_not_by_its_times(self, store: AnyStore) -> None:
        strays = [datetime(2008, 12, 31, 23), datetime(2024, 2, 1), datetime(2098, 1, 1), None]
        self.put(store, FEBRUARY, numbered(pickup=pa.array([datetime(2024, 1, 15)], pa.timestamp("us"))))
        for _ in range(2):
            self.put(store, JANUARY, numbered(pickup=pa.array(strays, pa.timestamp("us"))))
        assert self.found(store, JANUARY)["pickup"].to_pylist() == strays
        assert store.count(TableSlice(self.table, FEBRUARY)) == 1

    def test_text_is_kept(self, store: AnyStore) -> None:
        given = numbered(text=pa.array(TEXTS))
        self.put(store, JANUARY, given)
        self.assert_same(self.found(store, JANUARY), given)

    def test_text_with_nul_is_kept(self, store: AnyStore) -> None:
        given = numbered(text=pa.array(["before\0after", "\0"]))
        self.put(store, JANUARY, given)
        self.assert_same(self.found(store, JANUARY), given)

    @pytest.mark.parametrize("kind", [pa.int16(), pa.int32(), pa.int64()], ids=str)
    def test_the_smallest_and_the_largest_whole_numbers_are_kept(self, store: AnyStore, kind: pa.DataType) -> None:
        limit = 2 ** (kind.bit_width - 1)
        given = numbered(number=pa.array([-limit, -1, 0, limit - 1], kind))
        self.put(store, JANUARY, given)
        self.assert_same(self.found(store, JANUARY), given)

    def test_strange_numbers_are_kept(self, store: AnyStore) -> None:
        given = fares(-0.0, 0.0, 1e308, -1e308, 5e-324, 0.1 + 0.2, math.inf, -math.inf, math.nan)
        self.put(store, JANUARY, given)
        self.assert_same(self.found(store, JANUARY), given)

    def test_the_first_and_the_last_times_are_kept(self, store: AnyStore) -> None:
        times = [
            datetime(1, 1, 1),
            datetime(1969, 12, 31, 23, 59, 59, 999_999),
            datetime(1999, 12, 31, 23, 59, 59, 999_999),
            datetime(3019, 4, 30, 12),
            datetime(9999, 12, 31, 23, 59, 59, 999_999),
        ]
        given = numbered(time=pa.array(times, pa.timestamp("us")), day=pa.array([time.date() for time in times]))
        self.put(store, JANUARY, given)
        self.assert_same(self.found(store, JANUARY), given)

    def test_one_row_is_enough(self, store: AnyStore) -> None:
        self.put(store, JANUARY, TYPICAL.slice(1, 1))
        self.assert_same(self.found(store, JANUARY), TYPICAL.slice(1, 1))

    @pytest.mark.slow
    def test_many_batches_keep_every_value(self, store: AnyStore) -> None:
        rows = rows_of(1, rows=1_000_000)
        store.replace(TableSlice(self.table, JANUARY), rows)
        assert self.found(store, JANUARY).equals(rows.to_table())

    # What rows come in

    @pytest.mark.parametrize(
        "as_rows",
        [
            lambda table, _: Rows.from_table(table),
            lambda table, _: Rows.from_pandas(table.to_pandas(types_mapper=pd.ArrowDtype)),
            lambda table, path: pq.write_table(table, path) or Rows.from_parquet([path]),
        ],
        ids=["a table", "a DataFrame", "a Parquet file"],
    )
    def test_rows_come_as(self, store: AnyStore, tmp_path: Path, as_rows: Callable[[pa.Table, Path], Rows]) -> None:
        store.replace(TableSlice(self.table, JANUARY), as_rows(TYPICAL, tmp_path / "[rows] * 1.parquet"))
        self.assert_same(self.found(store, JANUARY), TYPICAL)

    def test_what_only_a_dataframe_has_is_taken(self, store: AnyStore) -> None:
        given: dict[str, Any] = {
            "row": [0, 1, 2],
            "zone": pd.Categorical(["JFK", None, "EWR"]),
            "pickup": np.array(["2024-01-01T00:00:00.000001", "NaT", "2024-01-02"], "datetime64[ns]"),
            "nothing": np.array([None, None, None], object),
            "vendor": np.array([1, 2, 127], np.int8),
            "fare": np.array([0.5, np.nan, -1.5], np.float32),
        }
        store.replace(TableSlice(self.table, JANUARY), Rows.from_pandas(pd.DataFrame(given, index=[7, 8, 9])))
        found = self.found(store, JANUARY)
        assert {field.name: field.type for field in found.schema} == self.frame_types
        assert found.select(["zone", "vendor", "fare"]).to_pydict() == {
            "zone": ["JFK", None, "EWR"],
            "vendor": [1, 2, 127],
            "fare": [0.5, None, -1.5],
        }
        assert found["pickup"].cast(pa.timestamp("us")).to_pylist() == [
            datetime(2024, 1, 1, 0, 0, 0, 1),
            None,
            datetime(2024, 1, 2),
        ]

    # What goes wrong

    def test_a_type_that_there_is_no_room_for_is_named_with_its_column(self, store: AnyStore) -> None:
        self.put(store, JANUARY, TYPICAL)
        with pytest.raises(SchemaMismatch, match=rf"hold the columns odd \({self.impossible}\)"):
            self.put(store, JANUARY, TYPICAL.append_column("odd", pa.nulls(3, self.impossible)))
        self.assert_same(self.found(store, JANUARY), TYPICAL)

    @pytest.mark.parametrize("month", [JANUARY, None], ids=["a month", "a whole table"])
    def test_rows_that_break_off_leave_the_old_ones(self, store: AnyStore, month: Month | None) -> None:
        piece = TableSlice(self.table, month)
        store.replace(piece, few_rows_of(1))
        with pytest.raises(RuntimeError):
            store.replace(piece, broken_off(few_rows_of(2), RuntimeError()))
        assert version_of(store, piece, FEW) == 1
        store.replace(piece, few_rows_of(3))
        assert version_of(store, piece, FEW) == 3

    @pytest.mark.parametrize("kind", [ZeroDivisionError, SchemaMismatch, StoreUnavailable, KeyboardInterrupt])
    def test_what_broke_the_rows_off_comes_through(self, store: AnyStore, kind: type[BaseException]) -> None:
        error = kind("the source is gone")
        with pytest.raises(kind) as caught:
            store.replace(TableSlice(self.table, JANUARY), broken_off(few_rows_of(1), error))
        assert caught.value is error

    def test_a_first_month_that_breaks_off_is_not_there(self, store: AnyStore) -> None:
        with pytest.raises(RuntimeError):
            store.replace(TableSlice(self.table, JANUARY), broken_off(few_rows_of(1), RuntimeError()))
        assert (store.months(self.table), store.count(TableSlice(self.table, JANUARY))) == ([], 0)
        with pytest.raises(SliceMissing):
            store.read(self.table, [JANUARY])

    def test_a_null_in_a_column_that_must_not_have_any_is_refused(self, store: AnyStore) -> None:
        schema = pa.schema([pa.field("row", pa.int64()), pa.field("fare", pa.float64(), nullable=False)])
        self.put(store, JANUARY, pa.table([[0], [1.0]], schema=schema))
        with pytest.raises(StoreError, match="fare"):
            self.put(store, JANUARY, pa.table([[0, 1], [2.0, None]], schema=schema))
        assert self.found(store)["fare"].to_pylist() == [1.0]

    # Several at once

    def test_two_months_are_replaced_at_once(self, store: AnyStore, workers: Executor) -> None:
        pieces = [TableSlice(self.table, month) for month in (JANUARY, FEBRUARY)]
        for work in [workers.submit(replace_in_turn, store, piece, range(1, 4)) for piece in pieces]:
            work.result()
        assert [version_of(store, piece, FEW) for piece in pieces] == [3, 3]

    def test_two_tables_are_made_at_once(self, store: AnyStore, workers: Executor) -> None:
        pieces = [TableSlice(f"{self.table}_{number}", JANUARY) for number in range(6)]
        for work in [workers.submit(replace_in_turn, store, piece, range(1, 2)) for piece in pieces]:
            work.result()
        assert {version_of(store, piece, FEW) for piece in pieces} == {1}

    @pytest.mark.parametrize("month", [JANUARY, None], ids=["a month", "a whole table"])
    def test_the_same_slice_twice_at_once_ends_as_one_of_the_two(
        self, store: AnyStore, workers: Executor, month: Month | None
    ) -> None:
        piece = TableSlice(self.table, month)
        for work in [workers.submit(replace_in_turn, store, piece, versions) for versions in (range(3), range(10, 13))]:
            work.result()
        assert version_of(store, piece, FEW) in (2, 12)

    def test_readers_see_one_version_at_any_time(self, store: AnyStore, workers: Executor) -> None:
        piece = TableSlice(self.table, JANUARY)
        store.replace(TableSlice(self.table, FEBRUARY), few_rows_of(0))
        store.replace(piece, few_rows_of(0))
        writing = workers.submit(replace_in_turn, store, piece, range(1, 9))
        seen = []
        while not writing.done():
            seen.append(version_of(store, piece, FEW))
            assert store.count(piece) == FEW
            assert store.months(self.table) == [JANUARY, FEBRUARY]
        writing.result()
        assert [*seen, version_of(store, piece, FEW)] == [*sorted(seen), 8]


class TableContract(StoreContract):
    """What the stores of tables have in common beyond that."""

    def test_the_month_is_a_column(self, store: AnyStore) -> None:
        self.put(store, JANUARY, fares(1.0, 2.0))
        assert store.read(self.table).to_table()[MONTH_COLUMN].to_pylist() == [date(2024, 1, 1)] * 2

    def test_rows_may_bring_the_month_themselves(self, store: AnyStore) -> None:
        self.put(store, JANUARY, fares(1.0).append_column(MONTH_COLUMN, pa.array([date(2024, 1, 1)])))
        assert store.read(self.table, [JANUARY]).to_table().column_names == ["row", "fare", MONTH_COLUMN]
        assert store.count(TableSlice(self.table, JANUARY)) == 1

    @pytest.mark.parametrize("day", [date(2024, 2, 1), date(2024, 1, 2), None], ids=str)
    def test_rows_of_another_month_are_refused(self, store: AnyStore, day: date | None) -> None:
        for month in (JANUARY, FEBRUARY):
            self.put(store, month, fares(1.0))
        with pytest.raises(SchemaMismatch, match=MONTH_COLUMN):
            self.put(store, JANUARY, fares(2.0).append_column(MONTH_COLUMN, pa.array([day], pa.date32())))
        assert self.found(store)["fare"].to_pylist() == [1.0, 1.0]

    def test_a_new_column_is_there_in_older_months(self, store: AnyStore) -> None:
        self.put(store, JANUARY, fares(1.0))
        self.put(store, FEBRUARY, pa.table({"row": [1], "congestion_fee": [0.75]}))
        assert self.found(store, JANUARY).to_pylist() == [{"row": 0, "fare": 1.0, "congestion_fee": None}]

    def test_another_type_than_the_table_has_is_refused(self, store: AnyStore) -> None:
        self.put(store, JANUARY, fares(1.0))
        for month in (JANUARY, FEBRUARY):
            with pytest.raises(
                SchemaMismatch,
                match=r"(?i)fare is (double|float64).* in the table and (text|varchar|string) in the rows",
            ):
                self.put(store, month, numbered(fare=pa.array(["one"])))
        self.assert_same(self.found(store), fares(1.0))

    @pytest.mark.parametrize(
        "kind",
        [pa.duration("us"), pa.struct([]), pa.list_(pa.duration("s")), pa.map_(pa.string(), pa.int64())],
        ids=str,
    )
    def test_a_type_that_tables_do_not_have_is_named_with_its_column(self, store: AnyStore, kind: pa.DataType) -> None:
        with pytest.raises(SchemaMismatch, match=r"hold the columns odd \("):
            self.put(store, JANUARY, numbered(odd=pa.nulls(1, kind)))
        assert store.months(self.table) == []

    def test_times_finer_than_a_microsecond_are_refused(self, store: AnyStore) -> None:
        self.put(store, JANUARY, numbered(pickup=pa.array([1_000], pa.timestamp("ns"))))
        with pytest.raises(SchemaMismatch, match="column pickup"):
            self.put(store, JANUARY, numbered(pickup=pa.array([1_001], pa.timestamp("ns"))))
        assert self.found(store)["pickup"].to_pylist() == [datetime(1970, 1, 1, microsecond=1)]

    def test_two_columns_of_one_name_are_refused(self, store: AnyStore) -> None:
        with pytest.raises(SchemaMismatch, match="more than one column is called fare"):
            self.put(store, JANUARY, pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["fare", "fare"]))

    # The digest, by which stores are compared

    def test_the_digest_is_the_one_that_the_rows_have_anywhere(self, store: AnyStore) -> None:
        store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(DIGESTED))
        assert store.digest(TableSlice("trips", FEBRUARY), PARTS, "row", "fare") == digest_of(
            Rows.from_table(DIGESTED), PARTS, "row", "fare"
        )

    def test_the_digest_counts_rows_and_sums_to_the_ten_thousandth(self, store: AnyStore) -> None:
        store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(fares(0.1, 0.2, None, -1234.5678)))
        digest = store.digest(TableSlice("trips", FEBRUARY), {}, "row", "fare")
        assert (digest.rows, digest.total) == (4, 1_000 + 2_000 - 12_345_678)

    @pytest.mark.parametrize("changed", range(len(CHANGES)))
    def test_the_digest_tells_which_column_changed(self, store: AnyStore, changed: int) -> None:
        name, values = CHANGES[changed]
        column = DIGESTED.schema.get_field_index(name)
        other = DIGESTED.set_column(
            column, DIGESTED.schema.field(name), pa.array(values, DIGESTED.schema.types[column])
        )
        store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(other))
        found = store.digest(TableSlice("trips", FEBRUARY), PARTS, "row").parts
        expected = digest_of(Rows.from_table(DIGESTED), PARTS, "row").parts
        assert {part for part in PARTS if found[part] != expected[part]} == {name, "all"}

    @pytest.mark.parametrize("month", [None, MARCH])
    def test_the_digest_of_what_is_not_there_is_that_of_no_rows(self, store: AnyStore, month: Month | None) -> None:
        store.replace(TableSlice("trips", FEBRUARY), Rows.from_table(DIGESTED))
        missing = TableSlice("nothing" if month is None else "trips", month)
        assert store.digest(missing, PARTS, "row") == digest_of(Rows.from_table(DIGESTED[:0]), PARTS, "row")

    # The audit log

    def lines(self, store: TableStore) -> list[dict[str, Any]]:
        """The audit log's lines, by run."""
        return store.read("load_audit").to_table().sort_by("run_id").to_pylist()

    def test_a_replace_is_told_in_the_audit_log(self, store: TableStore) -> None:
        began = datetime.now(tz=UTC)
        facts = {
            "dataset": "green",
            "source_url": "https://example.org/green.parquet",
            "source_sha256": "ab" * 32,
            "source_etag": '"first"',
            "source_bytes": 123_456_789_012,
            "source_rows": 5,
            "rejected_rows": 2,
            "rejected_by_rule": '{"stray_month": 2}',
            "rules": "missing_time,stray_month",
            "code_version": "1.2.3",
            "changes": '{"added": 1, "examples": [{"zone": "Łódź"}]}',
        }
        origin = {f"taxi/{name}": str(value) for name, value in facts.items()}
        entry = dataclasses.replace(entry_of(1), origin={**origin, "taxi/seen_by": "nobody asked"})
        store.replace(TableSlice(self.table, JANUARY), Rows.from_table(TYPICAL), entry)
        [line] = self.lines(store)
        assert began <= line.pop("finished_at") <= datetime.now(tz=UTC)
        assert line == {
            **facts,
            "table_name": self.table,
            "source_month": date(2024, 1, 1),
            "store": "postgres",
            "run_id": "run 1",
            "started_by": "alice",
            "started_at": datetime(2024, 5, 1, 12, 0, 1, 250_000, tzinfo=UTC),
            "loaded_rows": 3,
        }

    def test_a_whole_table_of_unknown_origin_is_told_too(self, store: TableStore) -> None:
        entry = dataclasses.replace(entry_of(1), origin={})
        store.replace(TableSlice(self.table), Rows.from_table(TYPICAL), entry)
        [line] = self.lines(store)
        assert (line["source_month"], line["loaded_rows"], line["source_sha256"]) == (None, 3, None)

    def test_the_audit_log_says_what_its_columns_hold(self, store: TableStore) -> None:
        store.replace(TableSlice(self.table, JANUARY), few_rows_of(1), entry_of(1))
        schema = store.read("load_audit").schema
        assert all(description(field) for field in schema)
        assert {name: schema.field(name).type for name in ("source_bytes", "started_at")} == {
            "source_bytes": pa.int64(),
            "started_at": pa.timestamp("us", "UTC"),
        }

    def test_the_audit_log_keeps_every_load(self, store: TableStore) -> None:
        replace_and_tell_in_turn(store, TableSlice(self.table, JANUARY), range(1, 4))
        replace_and_tell_in_turn(store, TableSlice(self.table, FEBRUARY), range(4, 5))
        assert [(one["run_id"], one["source_month"].month) for one in self.lines(store)] == [
            ("run 1", 1),
            ("run 2", 1),
            ("run 3", 1),
            ("run 4", 2),
        ]
        assert store.months(self.table) == [JANUARY, FEBRUARY]

    @pytest.mark.parametrize("month", [JANUARY, None], ids=["a month", "a whole table"])
    def test_a_replace_that_fails_is_not_in_the_audit_log(self, store: TableStore, month: Month | None) -> None:
        piece = TableSlice(self.table, month)
        store.replace(piece, few_rows_of(1), entry_of(1))
        with pytest.raises(RuntimeError):
            store.replace(piece, broken_off(few_rows_of(2), RuntimeError()), entry_of(2))
        assert [line["run_id"] for line in self.lines(store)] == ["run 1"]

    def test_an_audit_log_of_an_earlier_version_gains_the_columns_it_lacks(self, store: TableStore) -> None:
        store.replace(TableSlice("load_audit"), Rows.from_table(pa.table({"run_id": ["run 0"]})))
        replace_and_tell_in_turn(store, TableSlice(self.table, JANUARY), range(1, 2))
        assert [(one["run_id"], one["started_by"]) for one in self.lines(store)] == [
            ("run 0", None),
            ("run 1", "alice"),
        ]

    def test_two_months_of_a_new_database_are_told_at_once(self, store: TableStore, workers: Executor) -> None:
        pieces = [TableSlice(self.table, month) for month in (JANUARY, FEBRUARY)]
        numbers = (range(1, 4), range(4, 7))
        work = [
            workers.submit(replace_and_tell_in_turn, store, piece, versions)
            for piece, versions in zip(pieces, numbers, strict=True)
        ]
        for one in work:
            one.result()
        assert [line["run_id"] for line in self.lines(store)] == [f"run {number}" for number in range(1, 7)]
