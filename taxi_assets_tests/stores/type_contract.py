"""What every store does with types: it keeps values, widens columns, and refuses what would lose something."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.rows import Rows

from .versions import AnyStore

JANUARY, FEBRUARY, MARCH = Month(2024, 1), Month(2024, 2), Month(2024, 3)
BEYOND_FLOAT = 2**53 + 1
KEY = UUID("6ecd8c99-4036-403d-bf84-cf8400f67836")

NOON = pd.Timestamp(2024, 7, 1, 12, tz="America/New_York")

#: Columns with a missing value each, and what they are read as.
KEPT: dict[str, pa.Array] = {
    "decimal": pa.array([Decimal("12345.67"), Decimal("-0.01"), None], pa.decimal128(9, 2)),
    "long decimal": pa.array([Decimal("9" * 27 + ".123456789"), None], pa.decimal128(38, 9)),
    "unsigned": pa.array([2**64 - 1, 0, None], pa.uint64()),
    "time": pa.array([time(23, 59, 59, 999_999), time(), None]),
    "time in seconds": pa.array([time(23, 59, 59), None], pa.time32("s")),
    "uuid": pa.array([KEY, None], pa.uuid()),
    "instant": pa.array([NOON, None], pa.timestamp("us", "America/New_York")),
    "nanoseconds": pa.array([1_704_067_200_000_001_000, None], pa.timestamp("ns")),
    "list": pa.array([[1, None, 3], [], None], pa.list_(pa.int64())),
    "list of text": pa.array([["a", None, 'b "c", {d}\\'], [], None], pa.list_(pa.string())),
    "struct": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": "Łódź"}, None], pa.struct({"a": "int64", "b": "string"})),
    "empty lists": pa.array([[], None]),
    "list of structs": pa.array([[{"a": 1.5}], [], None], pa.list_(pa.struct({"a": pa.float64()}))),
}
#: Of a wider type: the column in January, in February, and what both are then.
WIDENED: dict[str, tuple[pa.Array, pa.Array, list[Any]]] = {
    "smallint to bigint": (pa.array([1], pa.int16()), pa.array([BEYOND_FLOAT]), [1, BEYOND_FLOAT]),
    "int to double": (pa.array([1], pa.int32()), pa.array([1.5]), [1.0, 1.5]),
    "bigint to decimal": (
        pa.array([BEYOND_FLOAT]),
        pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
        [Decimal(BEYOND_FLOAT), Decimal("1.50")],
    ),
    "decimal to longer": (
        pa.array([Decimal("1.5")]),
        pa.array([Decimal("1234567890.25")]),
        [Decimal("1.5"), Decimal("1234567890.25")],
    ),
    "date to timestamp": (
        pa.array([date(2024, 1, 31)]),
        pa.array([datetime(2024, 2, 1, 12)]),
        [datetime(2024, 1, 31), datetime(2024, 2, 1, 12)],
    ),
}
LOSSY: dict[str, tuple[pa.Array, pa.Array]] = {
    "bigint and double": (pa.array([BEYOND_FLOAT]), pa.array([1.5])),
    "double and bigint": (pa.array([1.5]), pa.array([BEYOND_FLOAT])),
    "double and decimal": (pa.array([1.5]), pa.array([Decimal("0.1")])),
    "instant and local time": (pa.array([NOON]), pa.array([datetime(2024, 1, 1)])),
    "number and text": (pa.array([1]), pa.array(["1"])),
    "text and number": (pa.array(["1"]), pa.array([1])),
}


class TypeContract:
    """A part of `StoreContract`."""

    typed = "typed"
    #: First slices of a column, without a value.
    no_type: tuple[pa.Array, ...] = (pa.nulls(2), pa.nulls(0), pa.array([], pa.float64()), pa.nulls(2, pa.float64()))
    #: Columns of `KEPT` that the store holds as text in JSON, or as text.
    as_text: ClassVar[frozenset[str]] = frozenset()
    #: Changes of `WIDENED` that the store refuses.
    not_widened: ClassVar[frozenset[str]] = frozenset()

    def store_column(self, store: AnyStore, month: Month | None, values: pa.Array) -> None:
        first = 10 * (0 if month is None else month.number)
        rows = pa.table({"row": range(first, first + len(values)), "value": values})
        store.replace(TableSlice(self.typed, month), Rows.from_table(rows))

    def stored_column(self, store: AnyStore, *months: Month) -> list[Any]:
        values: list[Any] = store.read(self.typed, months or None).to_table().sort_by("row")["value"].to_pylist()
        return values

    @pytest.mark.parametrize("kind", KEPT)
    def test_values_of_each_type_are_kept(self, store: AnyStore, kind: str) -> None:
        given = KEPT[kind]
        for _ in range(2):
            self.store_column(store, JANUARY, given)
        found = self.stored_column(store, JANUARY)
        if kind in self.as_text:
            found = [text if text is None or kind == "uuid" else json.loads(text) for text in found]
        assert found == [str(one) if kind in self.as_text and kind == "uuid" and one else one for one in _plain(given)]

    @pytest.mark.parametrize("kind", ["pandas", "Arrow"])
    def test_integers_beside_a_null_stay_integers(self, store: AnyStore, kind: str) -> None:
        values = pa.array([BEYOND_FLOAT, None, -1])
        frame = pd.DataFrame({"row": [0, 1, 2], "value": pd.array([BEYOND_FLOAT, None, -1], "Int64")})
        rows = Rows.from_pandas(frame) if kind == "pandas" else Rows.from_table(pa.table({"value": values}))
        store.replace(TableSlice(self.typed), rows)
        read = store.read(self.typed)
        assert read.to_table()["value"].to_pylist() == values.to_pylist()
        assert read.to_pandas()["value"].dtype == pd.Int64Dtype()
        assert read.to_pandas()["value"].tolist() == [BEYOND_FLOAT, pd.NA, -1]

    def test_a_frame_whose_integers_became_floats_by_a_null_goes_into_integers(self, store: AnyStore) -> None:
        self.store_column(store, JANUARY, pa.array([1, 2]))
        gained = pd.DataFrame({"row": [20, 21], "value": [3.0, np.nan]})
        store.replace(TableSlice(self.typed, FEBRUARY), Rows.from_pandas(gained))
        assert self.stored_column(store) == [1, 2, 3, None]

    @pytest.mark.parametrize("kind", ["decimal", "time", "instant", "uuid", "list"])
    def test_a_first_slice_without_a_value_fixes_no_type(self, store: AnyStore, kind: str) -> None:
        given = KEPT[kind]
        for number, first in enumerate(self.no_type):
            self.typed = f"typed_{number}"
            self.store_column(store, JANUARY, first)
            self.store_column(store, FEBRUARY, given)
            self.store_column(store, MARCH, first)
            found = [value for value in self.stored_column(store) if value is not None]
            assert len(found) == len(given) - given.null_count
            if kind not in self.as_text:
                assert found == [value for value in _plain(given) if value is not None]

    @pytest.mark.parametrize("kind", WIDENED)
    def test_a_column_is_widened_for_all_slices(self, store: AnyStore, kind: str) -> None:
        narrow, wide, both = WIDENED[kind]
        if kind in self.not_widened:
            pytest.skip("the store has no such change")
        self.store_column(store, JANUARY, narrow)
        self.store_column(store, FEBRUARY, wide)
        assert self.stored_column(store) == both
        self.store_column(store, JANUARY, wide)
        self.store_column(store, FEBRUARY, narrow)
        assert self.stored_column(store) == both[::-1]

    @pytest.mark.parametrize("kind", LOSSY)
    def test_a_change_that_would_lose_something_is_refused_with_the_way_out(self, store: AnyStore, kind: str) -> None:
        held, brought = LOSSY[kind]
        self.store_column(store, JANUARY, held)
        with pytest.raises(SchemaMismatch, match=r"value is .* in the table and .* in the rows.* [Cc]ast the column"):
            self.store_column(store, FEBRUARY, brought)
        assert self.stored_column(store) == _plain(held)
        assert store.months(self.typed) == [JANUARY]

    def test_an_interval_is_refused_by_name(self, store: AnyStore) -> None:
        lasted = pd.DataFrame({"row": [0], "lasted": [pd.Timedelta(minutes=3)]})
        with pytest.raises(SchemaMismatch, match=r"lasted \(duration\[ns\]\): store an interval as a number"):
            store.replace(TableSlice(self.typed, JANUARY), Rows.from_pandas(lasted))


class LakeTypeContract(TypeContract):
    """As `TypeContract`, for a lake: each file keeps its own types, of which several together have a common one."""

    @pytest.mark.parametrize("kind", LOSSY)
    def test_a_change_that_would_lose_something_is_refused_with_the_way_out(self, store: AnyStore, kind: str) -> None:
        for month, values in zip((JANUARY, FEBRUARY), LOSSY[kind], strict=True):
            self.store_column(store, month, values)
            assert self.stored_column(store, month) == _plain(values)
        with pytest.raises(SchemaMismatch, match=r"value .*in the asset"):
            self.stored_column(store)

    def test_an_interval_is_refused_by_name(self, store: AnyStore) -> None:
        """It is kept: Parquet has no type for it, but Arrow's own is recorded in the file."""
        self.store_column(store, JANUARY, pa.array([timedelta(minutes=3)]))
        assert self.stored_column(store, JANUARY) == [timedelta(minutes=3)]


def _plain(values: pa.Array) -> list[Any]:
    """The values as Python's, times with a zone in UTC."""
    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        values = values.cast(pa.timestamp("us"))
    found: list[Any] = values.to_pylist()
    return [one.astimezone(UTC) if isinstance(one, datetime) and one.tzinfo else one for one in found]
