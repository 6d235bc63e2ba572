"""The catalogue agrees with itself, with the names that the tables are known by, and with what TLC has published."""

import csv
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest

from taxi_assets.catalog import (
    DATASETS,
    DEFAULT_RULES,
    IDENTITY,
    RULES,
    ZONES_SCHEMA,
    Dataset,
    Era,
    Field,
    dataset_named,
    select_rules,
)
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month

TAXI_COLUMNS = """
    vendor_id pickup_datetime dropoff_datetime passenger_count trip_distance rate_code_id store_and_fwd_flag
    pickup_location_id dropoff_location_id payment_type fare_amount extra mta_tax tip_amount tolls_amount
    improvement_surcharge total_amount congestion_surcharge
"""
# What every table, query and dashboard is written against: a change here breaks them.
COLUMNS = {
    "yellow": f"""{TAXI_COLUMNS} airport_fee cbd_congestion_fee
        pickup_longitude pickup_latitude dropoff_longitude dropoff_latitude""",
    "green": f"{TAXI_COLUMNS} cbd_congestion_fee ehail_fee trip_type",
    "fhv": """dispatching_base_num pickup_datetime dropoff_datetime pickup_location_id dropoff_location_id sr_flag
        affiliated_base_number""",
    "fhvhv": """hvfhs_license_num dispatching_base_num originating_base_num request_datetime on_scene_datetime
        pickup_datetime dropoff_datetime pickup_location_id dropoff_location_id trip_miles trip_time base_passenger_fare
        tolls black_car_fund sales_tax congestion_surcharge airport_fee tips driver_pay cbd_congestion_fee
        shared_request_flag shared_match_flag access_a_ride_flag wav_request_flag wav_match_flag""",
}
FIRST_MONTHS = {"yellow": "2009-01", "green": "2014-01", "fhv": "2015-01", "fhvhv": "2019-02"}
TYPES_OF_EVERY_STORE = {pa.int16(), pa.int32(), pa.float64(), pa.string(), pa.timestamp("us")}

for_every_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)


def test_there_are_four_datasets() -> None:
    assert [dataset.name for dataset in DATASETS] == ["yellow", "green", "fhv", "fhvhv"]


@for_every_dataset
def test_the_columns_are_those_of_the_contract_and_then_the_rows_identity(dataset: Dataset) -> None:
    assert dataset.schema.names == [*COLUMNS[dataset.name].split(), "source_month", "source_row"]


@for_every_dataset
def test_a_dataset_begins_with_the_first_month_that_is_in_parquet(dataset: Dataset) -> None:
    assert str(dataset.first_month) == FIRST_MONTHS[dataset.name]


@for_every_dataset
def test_every_column_has_a_type_that_every_store_has(dataset: Dataset) -> None:
    assert {column.type for column in dataset.columns} <= TYPES_OF_EVERY_STORE


@for_every_dataset
def test_every_column_is_described_down_to_its_codes(dataset: Dataset) -> None:
    for field in dataset.schema:
        assert field.metadata[b"description"].endswith(b"."), field.name
    for column in dataset.columns:
        assert all(f"{code} = {meaning}" in column.comment for code, meaning in column.codes.items())


def test_every_column_of_the_zones_is_described() -> None:
    assert all(field.metadata[b"description"].endswith(b".") for field in ZONES_SCHEMA)


@for_every_dataset
def test_a_mapped_text_stands_for_a_value_of_its_columns_type(dataset: Dataset) -> None:
    for column in dataset.columns:
        values = set(column.value_mapping.values())
        assert pa.array(list(values), column.type).to_pylist() == list(values)
        assert len({spelling.lower() for spelling in column.value_mapping}) == len(column.value_mapping)
        assert values <= set(column.codes) or column.name == "vendor_id"  # DDS has left, and its code with it


@for_every_dataset
def test_only_times_may_not_be_missing(dataset: Dataset) -> None:
    always_there = {column.name for column in dataset.columns if not column.nullable}
    assert always_there == {"pickup_datetime"} | ({"dropoff_datetime"} if dataset.name != "fhv" else set())


@for_every_dataset
def test_the_distance_and_the_total_are_columns(dataset: Dataset) -> None:
    assert dataset.has(*(name for name in (dataset.distance, dataset.total) if name is not None))


@for_every_dataset
def test_eras_follow_one_another(dataset: Dataset) -> None:
    begins = [era.since for era in dataset.eras]
    assert begins == sorted(set(begins))
    assert dataset.era(dataset.first_month) is dataset.eras[0]
    for earlier, later in zip(dataset.eras, dataset.eras[1:], strict=False):
        assert dataset.era(later.since.plus(-1)) is earlier
        assert dataset.era(later.since) is later
        assert later.fields != earlier.fields


@for_every_dataset
def test_every_field_of_every_era_is_read_into_a_column_of_its_own(dataset: Dataset) -> None:
    names = {column.name for column in dataset.columns}
    for era in dataset.eras:
        read = [field.column for field in era.fields if field.column is not None]
        assert set(read) <= names
        assert len(set(read)) == len(read)
        assert len({field.source.lower() for field in era.fields}) == len(era.fields)


@for_every_dataset
def test_every_column_is_read_from_some_era(dataset: Dataset) -> None:
    assert {field.column for era in dataset.eras for field in era.fields} >= {one.name for one in dataset.columns}


@for_every_dataset
def test_an_alias_means_the_same_in_every_era(dataset: Dataset) -> None:
    meanings = defaultdict(set)
    for era in dataset.eras:
        for field in era.fields:
            meanings[field.source.lower()].add(field.column)
    assert {name: {column} for name, column in dataset.aliases.items()} == meanings


@for_every_dataset
def test_a_month_before_the_first_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InvalidRequest, match=f"{dataset.name} begins with {dataset.first_month}"):
        dataset.era(dataset.first_month.plus(-1))


@for_every_dataset
def test_files_and_tables_are_named_after_their_dataset(dataset: Dataset) -> None:
    assert dataset_named(dataset.name) is dataset
    assert dataset.file_name(Month(2024, 1)) == f"{dataset.name}_tripdata_2024-01.parquet"
    assert dataset.table == f"{dataset.name}_trips"


def test_a_dataset_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidRequest, match="no dataset 'blue': TLC publishes yellow, green, fhv, fhvhv"):
        dataset_named("blue")


def test_an_era_is_defined_by_what_changed_since_the_one_before() -> None:
    era = Era(Month(2020, 1), (Field("A", pa.int64(), "a"), Field("B", pa.string(), "b"), Field("X", pa.int64(), None)))
    later = era.then(
        "2021-05",
        types={"A": pa.int32()},
        renamed={"B": "b_b"},
        added=[Field("C", pa.float64(), "c")],
        dropped=["X"],
    )
    fields = (Field("A", pa.int32(), "a"), Field("b_b", pa.string(), "b"), Field("C", pa.float64(), "c"))
    assert later == Era(Month(2021, 5), fields)


@pytest.mark.parametrize(
    "change",
    [{"types": {"Z": pa.int32()}}, {"renamed": {"Z": "z"}}, {"dropped": ["Z"]}],
    ids=lambda change: next(iter(change)),
)
def test_an_era_cannot_change_what_was_not_there(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"the era of 2020-01 has no column \['Z'\]"):
        Era(Month(2020, 1), (Field("A", pa.int64(), "a"),)).then("2021-05", **change)


def test_the_identity_is_never_missing() -> None:
    assert [(field.name, field.type, field.nullable) for field in IDENTITY] == [
        ("source_month", pa.date32(), False),
        ("source_row", pa.int32(), False),
    ]


def test_the_default_rules_are_those_of_the_contract() -> None:
    assert list(DEFAULT_RULES) == [
        *("unreadable_value", "missing_time", "stray_month", "negative_duration", "impossible_duration"),
        *("impossible_distance", "unknown_zone", "negative_amount", "voided_trip", "duplicate"),
    ]
    assert [rule.name for rule in RULES if not rule.default] == ["no_passengers", "no_distance"]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("yellow", set()),
        ("green", set()),
        ("fhvhv", {"negative_amount", "voided_trip", "no_passengers"}),
        ("fhv", {"negative_amount", "voided_trip", "no_passengers", "impossible_distance", "no_distance"}),
    ],
)
def test_a_rule_applies_where_a_dataset_has_what_it_looks_at(name: str, missing: set[str]) -> None:
    everything = [rule.name for rule in RULES]
    applied = [rule.name for rule in select_rules(dataset_named(name), everything)]
    assert applied == [rule for rule in everything if rule not in missing]


def test_what_cannot_be_loaded_is_rejected_whatever_is_asked() -> None:
    assert [rule.name for rule in select_rules(dataset_named("green"), [])] == ["unreadable_value"]


def test_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"no such rule: a, b\. The rules are unreadable_value, "):
        select_rules(dataset_named("green"), ["b", "duplicate", "a"])


@for_every_dataset
def test_every_published_file_has_the_columns_of_its_era(dataset: Dataset, tlc: Path) -> None:
    published = _published_columns(tlc, dataset)
    assert min(published) == dataset.first_month
    expected = {month: [field.source for field in dataset.era(month).fields] for month in published}
    assert published == expected


def _published_columns(tlc: Path, dataset: Dataset) -> dict[Month, list[str]]:
    with (tlc / "reference" / "published_files.csv").open(newline="") as file:
        return {
            Month.parse(row["file_name"].removeprefix(f"{dataset.name}_tripdata_").removesuffix(".parquet")): row[
                "file_column_names"
            ].split(",")
            for row in csv.DictReader(file)
            if row["file_name"].startswith(f"{dataset.name}_")
        }
