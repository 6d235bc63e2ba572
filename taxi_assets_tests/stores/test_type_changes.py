"""The rules of wider types, and the stores' names for them."""

import pyarrow as pa
import pytest

from taxi_assets.stores.bigquery.column_types import TYPES as BIGQUERY
from taxi_assets.stores.duckdb.column_types import TYPES as DUCKDB
from taxi_assets.stores.duckdb.column_types import canonical
from taxi_assets.stores.postgres.column_types import TYPES as POSTGRES
from taxi_assets.stores.type_changes import TypeMap, wider

NAIVE, UTC = pa.timestamp("us"), pa.timestamp("us", "UTC")
TRIP = pa.struct({"zone": pa.string(), "Fare, in $": pa.list_(pa.decimal128(9, 2)), 'a "b"': pa.uuid(), "order": UTC})


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int16(), pa.int64(), pa.int64()),
        (pa.int32(), pa.float64(), pa.float64()),
        (pa.int64(), pa.float64(), None),
        (pa.int64(), pa.uint64(), pa.decimal128(20, 0)),
        (pa.int64(), pa.decimal128(9, 2), pa.decimal128(21, 2)),
        (pa.decimal128(9, 2), pa.decimal128(9, 7), pa.decimal128(14, 7)),
        (pa.decimal128(38, 9), pa.decimal128(38, 10), pa.decimal256(39, 10)),
        (pa.decimal256(76, 0), pa.decimal128(38, 38), None),
        (pa.float64(), pa.decimal128(9, 2), None),
        (pa.date32(), NAIVE, NAIVE),
        (pa.date32(), UTC, None),
        (NAIVE, UTC, None),
        (pa.null(), pa.uuid(), pa.uuid()),
        (pa.bool_(), pa.int16(), None),
        (pa.string(), pa.int64(), None),
        (pa.list_(pa.int16()), pa.list_(pa.null()), pa.list_(pa.int16())),
        (pa.list_(pa.int16()), pa.list_(pa.string()), None),
        (pa.struct({"a": pa.int16()}), pa.struct({"a": pa.int32(), "b": UTC}), pa.struct({"a": pa.int32(), "b": UTC})),
        (pa.struct({"a": pa.int16()}), pa.struct({"a": pa.string()}), None),
    ],
    ids=str,
)
def test_the_wider_type_holds_the_values_of_both_in_either_order(
    one: pa.DataType, other: pa.DataType, both: pa.DataType | None
) -> None:
    assert (wider(one, other), wider(other, one)) == (both, both)


@pytest.mark.parametrize("types", [DUCKDB, POSTGRES, BIGQUERY], ids=lambda types: types.store)
@pytest.mark.parametrize(
    "kind",
    [pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.date32(), pa.time64("us"), NAIVE, UTC],
    ids=str,
)
def test_a_type_that_every_store_has_is_read_as_what_it_was(types: TypeMap, kind: pa.DataType) -> None:
    assert types.type_of(types.name_of(kind) or "") == kind


@pytest.mark.parametrize("kind", [TRIP, pa.list_(TRIP), pa.struct({"a": pa.struct({"b": pa.list_(TRIP)})})], ids=str)
def test_duckdb_s_names_of_structs_are_read_however_they_are_quoted(kind: pa.DataType) -> None:
    name = DUCKDB.name_of(kind) or ""
    assert DUCKDB.type_of(name) == kind
    assert canonical(name.replace('"zone"', "zone").replace('"order"', "order")) == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.decimal128(38, 9), "NUMERIC"),
        (pa.decimal128(9, 2), "NUMERIC"),
        (pa.decimal128(38, 10), "BIGNUMERIC"),
        (pa.decimal128(30, 0), "BIGNUMERIC"),
        (pa.decimal256(76, 38), "BIGNUMERIC"),
        (pa.decimal256(76, 0), None),
        (pa.uint64(), "NUMERIC"),
    ],
    ids=str,
)
def test_bigquery_has_decimals_of_two_sizes(kind: pa.DataType, name: str | None) -> None:
    assert BIGQUERY.name_of(kind) == name
