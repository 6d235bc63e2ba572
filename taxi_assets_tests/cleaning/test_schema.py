"""A file's columns and their types are noise as long as they mean the same, and refused where they cannot."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxi_assets.catalog import DATASETS, Dataset
from taxi_assets.errors import BadFile, SchemaBroken
from taxi_assets.month import Month
from taxi_assets.source.verify import verify_parquet

from .generated import plausible_month
from .months import (
    FHV_TRIP,
    FHVHV_TRIP,
    GREEN_TRIP,
    JANUARY,
    PICKUP,
    YELLOW_TRIP,
    Trip,
    month_of,
    outcome_of,
    outcome_of_table,
    written,
)

GREEN, YELLOW, FHV = GREEN_TRIP.dataset, YELLOW_TRIP.dataset, FHV_TRIP.dataset

IDS = ("VendorID", "RatecodeID", "PULocationID", "DOLocationID", "passenger_count", "payment_type", "trip_type")
AMOUNTS = ("trip_distance", "fare_amount", "total_amount")
TIMES = ("lpep_pickup_datetime", "lpep_dropoff_datetime")
TEXTS = ("store_and_fwd_flag",)
OTHER_TYPES = {
    "int8": (IDS[:2], pa.int8()),
    "int32": (IDS, pa.int32()),
    "int64": (IDS, pa.int64()),
    "uint64": (IDS, pa.uint64()),
    "double": (IDS, pa.float64()),
    "decimal": (IDS + AMOUNTS, pa.decimal128(24, 2)),
    "string": (IDS + AMOUNTS + TIMES, pa.string()),
    "large_string": (IDS + AMOUNTS + TIMES + TEXTS, pa.large_string()),
    "dictionary": (TEXTS, pa.dictionary(pa.int32(), pa.string())),
    "timestamp[s]": (TIMES, pa.timestamp("s")),
    "timestamp[ms]": (TIMES, pa.timestamp("ms")),
    "timestamp[ns]": (TIMES, pa.timestamp("ns")),
    "timestamp[us, UTC]": (TIMES, pa.timestamp("us", "UTC")),
    "timestamp[ns, UTC]": (TIMES, pa.timestamp("ns", "UTC")),
}
REFUND = GREEN_TRIP.but(total_amount=-12.3)
SPARSE_TRIP = GREEN_TRIP.but(**{name: None for name in GREEN_TRIP.values if "time" not in name})
UNFIT = {
    "list": pa.list_(pa.int64()),
    "struct": pa.struct([("value", pa.int64())]),
    "bool": pa.bool_(),
    "binary": pa.binary(),
}


def with_type(table: pa.Table, column: str, kind: pa.DataType) -> pa.Table:
    values = table[column].cast(kind) if not pa.types.is_null(kind) else pa.nulls(table.num_rows)
    return table.set_column(table.column_names.index(column), column, values)


@pytest.fixture(scope="module")
def usual_rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A full and a sparse trip, cleaned from a file with the types of its era."""
    return clean_rows(month_of(GREEN_TRIP, SPARSE_TRIP), tmp_path_factory.mktemp("usual"))


def clean_rows(table: pa.Table, folder: Path, dataset: Dataset = GREEN) -> list[dict[str, Any]]:
    outcome = outcome_of_table(table, folder, dataset)
    assert outcome.clean.schema == dataset.schema
    rows: list[dict[str, Any]] = outcome.clean.to_pylist()
    return rows


# Names


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_era_is_read_with_all_its_columns(dataset: Dataset, tmp_path: Path) -> None:
    for era in dataset.eras:
        outcome = outcome_of_table(plausible_month(dataset, era.since), tmp_path, dataset, era.since)
        assert (outcome.unknown_columns, outcome.missing_columns) == ((), ())
        (row,) = outcome.clean.to_pylist()
        empty = {one.column for one in era.fields if pa.types.is_null(one.physical)}
        absent = {column.name for column in dataset.columns} - {one.column for one in era.fields}
        assert {name for name, value in row.items() if value is None} == empty | absent


def test_a_clean_row_has_canonical_names_and_the_rows_identity(tmp_path: Path) -> None:
    (row,) = clean_rows(month_of(FHV_TRIP), tmp_path, FHV)
    expected = {**FHV_TRIP.values, "sr_flag": None, "affiliated_base_number": None}
    assert row == {**expected, "source_month": date(2022, 1, 1), "source_row": 0}


def test_the_order_of_the_columns_does_not_matter(usual_rows: list[dict[str, Any]], tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP, SPARSE_TRIP)
    assert clean_rows(table.select(table.column_names[::-1]), tmp_path) == usual_rows


def test_the_case_of_a_columns_name_does_not_matter(usual_rows: list[dict[str, Any]], tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP, SPARSE_TRIP)
    shouted = table.rename_columns([name.upper() for name in table.column_names])
    assert clean_rows(shouted, tmp_path) == usual_rows


def test_unknown_columns_are_reported_and_kept_in_the_quarantine_only(tmp_path: Path) -> None:
    names = ("not_yet_known", "it's", 'a "new" one', "a,b", "ünïcode", "select", "trip.type")
    clean = GREEN_TRIP.but(**dict.fromkeys(names, "app"))
    rejected = GREEN_TRIP.but(**dict.fromkeys(names, "street"), trip_distance=-1.0)
    outcome = outcome_of_table(month_of(clean, rejected), tmp_path, GREEN)
    assert outcome.unknown_columns == names
    assert outcome.quarantine.select(names).to_pylist() == [dict.fromkeys(names, "street")]
    assert outcome.clean.schema == GREEN.schema


def test_a_column_that_a_row_can_do_without_is_reported_missing_and_filled_with_nothing(tmp_path: Path) -> None:
    outcome = outcome_of_table(month_of(GREEN_TRIP).drop_columns(["RatecodeID", "extra"]), tmp_path, GREEN)
    assert outcome.missing_columns == ("rate_code_id", "extra")
    assert outcome.clean["rate_code_id"].to_pylist() == [None]


def test_a_column_that_came_later_is_not_missing_before(tmp_path: Path) -> None:
    assert outcome_of_table(month_of(GREEN_TRIP), tmp_path, GREEN).missing_columns == ()


@pytest.mark.parametrize(
    ("trip", "missing"),
    [
        (GREEN_TRIP, ["lpep_pickup_datetime", "total_amount"]),
        (FHV_TRIP, ["DOlocationID"]),
        (FHVHV_TRIP, ["hvfhs_license_num", "trip_miles"]),
    ],
    ids=["green", "fhv", "fhvhv"],
)
def test_a_file_without_what_its_dataset_needs_is_refused(trip: Trip, missing: list[str], tmp_path: Path) -> None:
    expected = f"{trip.dataset.file_name(JANUARY)} lacks {', '.join(missing)}, without which"
    with pytest.raises(SchemaBroken, match=expected):
        outcome_of_table(month_of(trip).drop_columns(missing), tmp_path, trip.dataset)


def test_two_columns_for_one_meaning_are_refused(tmp_path: Path) -> None:
    table = month_of(YELLOW_TRIP.but(surcharge=0.5))
    with pytest.raises(SchemaBroken, match=r"yellow_tripdata_2022-01\.parquet has two .* extra: extra and surcharge"):
        outcome_of_table(table, tmp_path, YELLOW)


@pytest.mark.parametrize(
    ("added", "named"),
    [
        ("Airport_fee", "'airport_fee', 'Airport_fee'"),  # TLC's two spellings: a file with both is two eras in one
        ("rule", "'rule'"),
        ("source_row", "'source_row'"),
        ("file_row_number", "'file_row_number'"),
        ("", "''"),
    ],
)
def test_ambiguous_column_names_are_refused(added: str, named: str, tmp_path: Path) -> None:
    table = month_of(YELLOW_TRIP).append_column(added, pa.array([0.0]))
    with pytest.raises(SchemaBroken, match=f"^yellow_tripdata_2022-01.parquet has ambiguous column .*: {named}$"):
        outcome_of_table(table, tmp_path, YELLOW)


def test_the_folders_above_a_file_may_have_any_name(tmp_path: Path) -> None:
    folder, other = tmp_path / "it's [x]*" / "vendor_id=7", tmp_path / "it's xx" / "vendor_id=7"
    for one, vendor in ((folder, 1), (other, 2)):
        one.mkdir(parents=True)
        written(month_of(GREEN_TRIP.but(vendor_id=vendor)), one, GREEN)
    outcome = outcome_of(folder / GREEN.file_name(JANUARY), GREEN)
    assert outcome.unknown_columns == ()
    assert outcome.clean["vendor_id"].to_pylist() == [1]


# Types


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_the_same_values_in_another_type_are_the_same_rows(
    name: str, usual_rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    columns, kind = OTHER_TYPES[name]
    table = month_of(GREEN_TRIP, SPARSE_TRIP)
    for column in columns:
        table = with_type(table, column, kind)
    assert clean_rows(table, tmp_path) == usual_rows


def test_a_column_without_a_type_holds_nothing(usual_rows: list[dict[str, Any]], tmp_path: Path) -> None:
    table = month_of(SPARSE_TRIP)
    for column in set(table.column_names) - set(TIMES):
        table = with_type(table, column, pa.null())
    (row,) = clean_rows(table, tmp_path)
    assert row == {**usual_rows[1], "source_row": 0}


@pytest.mark.parametrize("kind", UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("column", [IDS[0], AMOUNTS[0], TIMES[0], *TEXTS])
def test_a_type_that_cannot_hold_such_values_is_refused(column: str, kind: pa.DataType, tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP).drop_columns([column]).append_column(column, pa.nulls(1, kind))
    with pytest.raises(SchemaBroken, match=rf"green_tripdata_2022-01\.parquet: column {column} has type "):
        outcome_of_table(table, tmp_path, GREEN)


def test_an_unknown_column_may_have_any_type(tmp_path: Path) -> None:
    seen = {"by": ["app", None], "at": [1.5, -2.0]}
    outcome = outcome_of_table(month_of(*REFUND.each(request=[seen, None])), tmp_path, GREEN)
    assert outcome.quarantine["request"].to_pylist() == [seen, None]


def test_a_text_that_was_a_number_is_read_as_a_text(tmp_path: Path) -> None:
    table = with_type(month_of(GREEN_TRIP.but(store_and_fwd_flag="1")), "store_and_fwd_flag", pa.float64())
    assert [row["store_and_fwd_flag"] for row in clean_rows(table, tmp_path)] == ["Y"]


NEW_YORK = ZoneInfo("America/New_York")
NIGHT_CLOCKS_GO_BACK = [datetime(2022, 11, 6, hour, 30, fold=fold) for hour, fold in ((0, 0), (1, 0), (1, 1), (2, 0))]
NIGHT_CLOCKS_GO_FORWARD = [datetime(2022, 3, 13, hour, 59, 59, 999_999) for hour in (1, 3)]


@pytest.mark.parametrize("zone", ["America/New_York", "US/Eastern"])
@pytest.mark.parametrize("unit", ["us", "ns"])
@pytest.mark.parametrize("moments", [NIGHT_CLOCKS_GO_BACK, NIGHT_CLOCKS_GO_FORWARD, [PICKUP]], ids=["back", "on", "no"])
def test_instants_that_state_new_yorks_zone_are_read_as_new_yorks_time(
    zone: str, unit: str, moments: list[datetime], tmp_path: Path
) -> None:
    month = Month.of(moments[0].date())
    trips = [
        GREEN_TRIP.but(pickup_datetime=one, dropoff_datetime=one, trip_distance=at) for at, one in enumerate(moments)
    ]
    table = month_of(*trips)
    for column in TIMES:
        instants = [one.replace(tzinfo=NEW_YORK) for one in moments]
        labelled = pa.array(instants, pa.timestamp("us", zone)).cast(pa.timestamp(unit, zone))
        table = table.set_column(table.column_names.index(column), column, labelled)
    clean = outcome_of_table(table, tmp_path, GREEN, month).clean
    for name in ("pickup_datetime", "dropoff_datetime"):
        assert clean[name].to_pylist() == [one.replace(fold=0) for one in moments]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+05:00", "-05:00", "Nowhere/Such"])
def test_times_of_another_zone_are_refused_by_name(zone: str, tmp_path: Path) -> None:
    table = with_type(month_of(GREEN_TRIP), TIMES[1], pa.timestamp("us", zone))
    with pytest.raises(SchemaBroken, match=f"{TIMES[1]} states the time zone {re.escape(zone)}.*America/New_York"):
        outcome_of_table(table, tmp_path, GREEN)


def test_a_time_that_new_york_cannot_show_is_unreadable(tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP)
    for moment in (9_223_372_036_854_775_000, -9_000_000_000_000_000_000):
        column = pa.array([moment], pa.int64()).cast(pa.timestamp("us", "America/New_York"))
        damaged = table.set_column(table.column_names.index(TIMES[0]), TIMES[0], column)
        assert outcome_of_table(damaged, tmp_path, GREEN).rejected["unreadable_value"] == 1


def test_the_quarantine_keeps_the_instant_of_a_zoned_time_on_every_machine(tmp_path: Path) -> None:
    labelled = pa.timestamp("us", "America/New_York")
    outcome = outcome_of_table(with_type(month_of(REFUND), TIMES[0], labelled), tmp_path, GREEN)
    assert outcome.quarantine.schema.field(TIMES[0]).type == pa.timestamp("us", "UTC")
    assert outcome.quarantine[TIMES[0]].to_pylist() == [PICKUP.replace(tzinfo=UTC)]


# Names that our own queries use

OWN_NAMES = (
    *(
        "rule_bits",
        "position",
        "is_repeated",
        "cents",
        "row_flags",
        "row_fingerprint",
        "trip_fingerprint",
        "typed",
        "source",
        "broken",
        "candidate_rows",
    ),
    *(
        "candidates",
        "repeated",
        "refunds",
        "trip",
        "one",
        "name",
        "file_index",
        "filename",
        "bits",
        "tlc:VendorID",
        "vendor_id",
    ),
    *("unreadable_value", "source_month", "read_parquet", "file", "broken_bits", "month", "clean", "quarantine"),
)
STRANGE_NAMES = (
    "select",
    "*",
    "a.b",
    "'",
    '"',
    '""',
    ";--",
    "%s",
    "{0}",
    "\\",
    "\n",
    "🚕",
    "é" * 150,
    "x" * 300,
    " ",
)
# Stand for columns of the tables of cleaning's SQL.
_SHADOWS = {"source_row": 1, "position": 1, "file_row_number": 1, "is_repeated": 1, "rule_bits": 1}


@pytest.mark.parametrize("value", [7, _SHADOWS], ids=["number", "struct"])
def test_columns_of_any_name_are_loaded_and_reported_as_unknown(value: Any, tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP, *REFUND.each(trip_distance=[1.0, -1.0]), GREEN_TRIP)
    usual = outcome_of_table(table, tmp_path, GREEN)
    for name in OWN_NAMES + STRANGE_NAMES:
        table = table.append_column(name, pa.array([value] * table.num_rows))
    outcome = outcome_of_table(table, tmp_path, GREEN)
    assert outcome.unknown_columns == OWN_NAMES + STRANGE_NAMES
    assert outcome.rejected == usual.rejected
    assert outcome.clean.equals(usual.clean)
    for name in OWN_NAMES + STRANGE_NAMES:
        assert outcome.quarantine[name].to_pylist() == [value] * usual.quarantine.num_rows


NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40),
    min_size=1,
    max_size=30,
    unique_by=str.lower,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=NAMES)
def test_columns_of_generated_names_are_loaded_or_refused_in_a_sentence(names: list[str], tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP, REFUND)
    for name in names:
        table = table.append_column(name, pa.array([1, 2]))
    try:
        assert outcome_of_table(table, tmp_path, GREEN).unknown_columns == tuple(names)
    except SchemaBroken as error:
        assert "ambiguous column names" in str(error)


def test_a_column_whose_name_is_no_text_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = written(month_of(GREEN_TRIP).append_column("caf\u00e9", pa.array([1])), tmp_path, GREEN, store_schema=False)
    path.write_bytes(path.read_bytes().replace("caf\u00e9".encode(), b"caf\xc3("))
    with pytest.raises(BadFile, match=r"cannot be read.*utf-8"):
        outcome_of(path, GREEN)
    with pytest.raises(BadFile, match=r"has a column whose name is not UTF-8, b'caf\\xc3\('"):
        verify_parquet(path)


# Numbers of rows


def test_an_empty_file_gives_no_rows_of_the_right_schema(tmp_path: Path) -> None:
    table = month_of(GREEN_TRIP).slice(0, 0)
    outcome = outcome_of_table(table, tmp_path, GREEN)
    assert (outcome.source_rows, outcome.clean.num_rows, outcome.quarantine.num_rows) == (0, 0, 0)
    assert outcome.clean.schema == GREEN.schema
    assert outcome.quarantine.column_names == [*table.column_names, "rule", "rules", "source_row"]
    assert set(outcome.rejected.values()) == {0}


def test_a_file_may_be_rejected_to_its_last_row(tmp_path: Path) -> None:
    outcome = outcome_of_table(month_of(REFUND, REFUND), tmp_path, GREEN)
    assert (outcome.source_rows, outcome.clean.num_rows, outcome.quarantine.num_rows) == (2, 0, 2)
    assert outcome.clean.schema == GREEN.schema
