from pathlib import Path

import pytest

from taxi_assets.catalog import DATASETS, DEFAULT_RULES, RULES, Dataset, dataset_named
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.sample import DEFAULT_ROWS, MAXIMUM_ROWS, MINIMUM_ROWS, expected_defects, write_month

from .reading import ERA_NAMES, ERAS, Reading

ROWS = 1_001
OF_EACH_KIND = 3
BY_DISTANCE = {"impossible_distance", "no_distance"}
BY_TOTAL = {"negative_amount", "voided_trip"}


@pytest.fixture(scope="module", params=ERAS, ids=ERA_NAMES)
def reading(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    dataset, month = request.param
    return Reading.of_sample(dataset, month, ROWS, tmp_path_factory.mktemp("month"))


def test_the_defects_of_every_era_are_the_expected_ones(reading: Reading) -> None:
    expected = expected_defects(reading.dataset, reading.month, rows=ROWS)
    assert reading.counts() == expected
    assert len(reading.clean) == ROWS - sum(count for rule, count in expected.items() if rule in DEFAULT_RULES)
    assert {count for rule, count in expected.items() if rule != "no_passengers"} == {OF_EACH_KIND}


def test_a_row_breaks_one_default_rule_and_only_an_illegible_time_two(reading: Reading) -> None:
    broken = [rules & set(DEFAULT_RULES) for rules in reading.broken]
    assert all(rules == {"unreadable_value", "missing_time"} for rules in broken if len(rules) > 1)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("rows", [MINIMUM_ROWS, DEFAULT_ROWS])
def test_the_defects_of_small_and_default_months_are_the_expected_ones(
    dataset: Dataset, rows: int, tmp_path: Path
) -> None:
    month = Month(2020, 2)
    assert Reading.of_sample(dataset, month, rows, tmp_path).counts() == expected_defects(dataset, month, rows=rows)


def test_every_rule_is_broken_where_its_columns_are_there() -> None:
    everything = {rule.name for rule in RULES}
    expected = {
        ("yellow", Month(2024, 1)): everything,
        ("yellow", Month(2009, 1)): everything - {"unknown_zone"},
        ("green", Month(2024, 1)): everything,
        ("fhvhv", Month(2024, 1)): everything - BY_TOTAL - {"no_passengers"},
        ("fhv", Month(2024, 1)): everything - BY_TOTAL - BY_DISTANCE - {"no_passengers"},
    }
    for (name, month), rules in expected.items():
        assert set(expected_defects(dataset_named(name), month)) == rules


def test_one_row_in_a_thousand_breaks_each_rule() -> None:
    expected = dict(expected_defects(dataset_named("yellow"), Month(2024, 1), rows=20_000))
    assert expected.pop("no_passengers") == 20 + 1_000  # with the rows that were not fully reported
    assert set(expected.values()) == {20}


def test_every_way_to_break_a_rule_is_taken(tmp_path: Path) -> None:
    reading = Reading.of_sample(dataset_named("yellow"), Month(2009, 1), 6_000, tmp_path)

    def values(rule: str, column: str) -> set[object]:
        return {row[column] for row in reading.breaking(rule)}

    assert {row["pickup_datetime"].year for row in reading.breaking("stray_month")} == {2002, 2008, 2041}
    assert values("impossible_distance", "trip_distance") == {-1.0, 501.0, 312_722.3}
    for column in ("pickup_datetime", "dropoff_datetime"):
        assert None in values("missing_time", column)
    for column in (
        "vendor_id",
        "pickup_datetime",
        "dropoff_datetime",
        "passenger_count",
        "rate_code_id",
        "payment_type",
    ):
        assert None in values("unreadable_value", column)


def test_unknown_zones_are_at_either_end_of_a_trip(tmp_path: Path) -> None:
    reading = Reading.of_sample(dataset_named("green"), Month(2024, 1), 6_000, tmp_path)
    ends = [(row["pickup_location_id"], row["dropoff_location_id"]) for row in reading.breaking("unknown_zone")]
    for zone in (0, 266, 999):
        assert {pair.index(zone) for pair in ends if zone in pair} == {0, 1}


def test_a_refund_is_its_trip_with_every_amount_turned(tmp_path: Path) -> None:
    reading = Reading.of_sample(dataset_named("yellow"), Month(2024, 1), DEFAULT_ROWS, tmp_path)
    refunds, trips = reading.breaking("negative_amount"), reading.breaking("voided_trip")
    amounts = {name for name in refunds[0] if name.endswith(("amount", "surcharge", "fee", "extra", "tax"))}
    for refund, trip in zip(refunds, trips, strict=True):
        assert refund == {name: -value if name in amounts else value for name, value in trip.items()}


@pytest.mark.parametrize("rows", [MINIMUM_ROWS - 1, MAXIMUM_ROWS + 1])
def test_a_number_of_rows_that_cannot_be_made_is_refused_before_anything_is_written(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "month.parquet"
    with pytest.raises(InvalidRequest, match=f"from {MINIMUM_ROWS} to 200,000,000 rows"):
        write_month(dataset_named("green"), Month(2024, 1), path, rows=rows)
    with pytest.raises(InvalidRequest):
        expected_defects(dataset_named("green"), Month(2024, 1), rows=rows)
    assert not path.exists()


def test_a_month_before_the_dataset_began_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="green begins with 2014-01"):
        write_month(dataset_named("green"), Month(2013, 12), tmp_path / "month.parquet")
