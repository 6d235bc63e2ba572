"""Each rule by example, in the order of the catalogue: what just breaks it and what just does not.

`rules_broken_by` cleans its trips as one file of January 2022 and returns the rules that each of them breaks.
"""

import math
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from taxi_assets.catalog import DEFAULT_RULES, RULES
from taxi_assets.errors import InvalidRequest

from .months import FHV_TRIP, FHVHV_TRIP, GREEN_TRIP, PICKUP, YELLOW_TRIP, RulesBroken, Trip, month_of, outcome_of_table

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
REFUND = GREEN_TRIP.but(total_amount=-12.3)
EVERY_RULE = [rule.name for rule in RULES]

in_every_dataset = pytest.mark.parametrize(
    "trip", [YELLOW_TRIP, GREEN_TRIP, FHV_TRIP, FHVHV_TRIP], ids=lambda trip: trip.dataset.name
)
at_either_end = pytest.mark.parametrize("end", ["pickup", "dropoff"])


@in_every_dataset
def test_a_plausible_trip_breaks_no_rule_at_all(trip: Trip, rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(trip, rules=EVERY_RULE) == [[]]


# unreadable_value


def test_a_number_that_is_not_a_small_whole_number_is_unreadable_as_an_id(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(vendor_id=[1.5, -0.5, 32_768.0, 1e300, math.nan, math.inf])
    assert rules_broken_by(*trips, types={"vendor_id": pa.float64()}) == [["unreadable_value"]] * len(trips)


def test_an_id_reaches_to_the_ends_of_its_type_and_no_further(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(vendor_id=[-32_768, 32_767, -32_769, 32_768, 2**62])
    assert rules_broken_by(*trips) == [[], [], *[["unreadable_value"]] * 3]


def test_an_id_may_be_a_text_that_stands_for_one_or_for_nothing(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(vendor_id=["2", " 2.0 ", "cmt", "VTS ", "", "   ", None])
    assert rules_broken_by(*trips, types={"vendor_id": pa.string()}) == [[]] * len(trips)


def test_any_other_text_is_unreadable_as_an_id(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(vendor_id=["ABC", "1.5", "40000", "NaN", "2\0"])
    assert rules_broken_by(*trips, types={"vendor_id": pa.string()}) == [["unreadable_value"]] * len(trips)


def test_an_amount_that_is_not_finite_is_unreadable(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(total_amount=[math.nan, math.inf, -math.inf])
    assert rules_broken_by(*trips) == [["unreadable_value"]] * len(trips)


@pytest.mark.parametrize("column", ["vendor_id", "total_amount"])
def test_not_a_number_is_found_among_numbers_that_are_all_plausible(column: str, rules_broken_by: RulesBroken) -> None:
    """Parquet's statistics leave NaN out: by them alone every value of these files is readable."""
    trips = GREEN_TRIP.each(**{column: [1.0, math.nan]})
    assert rules_broken_by(*trips, types={column: pa.float64()}) == [[], ["unreadable_value"]]


def test_an_unreadable_time_is_a_missing_time_too(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(
        pickup_datetime=["soon", "2022-02-30 12:00:00", "0000-12-31 12:00:00", "10000-01-01 12:00:00"],
    )
    broken = rules_broken_by(*trips, types={"pickup_datetime": pa.string()})
    assert broken == [["unreadable_value", "missing_time"]] * len(trips)


def test_a_text_with_nul_is_unreadable(rules_broken_by: RulesBroken) -> None:
    trips = FHV_TRIP.each(affiliated_base_number=["\0", "B00\x0009"])
    assert rules_broken_by(*trips) == [["unreadable_value"]] * len(trips)


def test_an_unreadable_value_is_rejected_whatever_is_asked(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(GREEN_TRIP.but(vendor_id=2**62), rules=[]) == [["unreadable_value"]]


# missing_time


@pytest.mark.parametrize("trip", [YELLOW_TRIP, GREEN_TRIP, FHVHV_TRIP], ids=lambda trip: trip.dataset.name)
def test_a_trip_has_both_its_times(trip: Trip, rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(trip.but(pickup_datetime=None), trip.but(dropoff_datetime=None)) == [["missing_time"]] * 2


def test_only_an_fhv_trip_may_lack_its_end(rules_broken_by: RulesBroken) -> None:
    broken = rules_broken_by(FHV_TRIP.but(dropoff_datetime=None), FHV_TRIP.but(pickup_datetime=None))
    assert broken == [[], ["missing_time"]]


# stray_month


def test_a_pickup_up_to_a_day_outside_the_month_is_only_late(rules_broken_by: RulesBroken) -> None:
    pickups = [datetime(2021, 12, 31), datetime(2022, 2, 1, 23, 59, 59)]
    trips = [GREEN_TRIP.but(pickup_datetime=pickup, dropoff_datetime=pickup + HOUR) for pickup in pickups]
    assert rules_broken_by(*trips) == [[], []]


def test_a_pickup_further_outside_the_month_is_a_stray(rules_broken_by: RulesBroken) -> None:
    pickups = [datetime(2021, 12, 30, 23, 59, 59), datetime(2022, 2, 2), datetime(2041, 1, 1)]
    trips = [GREEN_TRIP.but(pickup_datetime=pickup, dropoff_datetime=pickup + HOUR) for pickup in pickups]
    assert rules_broken_by(*trips) == [["stray_month"]] * 3


def test_a_trip_may_end_after_the_month(rules_broken_by: RulesBroken) -> None:
    last = datetime(2022, 2, 1, 23, 59, 59)
    assert rules_broken_by(GREEN_TRIP.but(pickup_datetime=last, dropoff_datetime=last + DAY)) == [[]]


# negative_duration, impossible_duration


def test_a_trip_takes_from_no_time_to_exactly_24_hours(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*GREEN_TRIP.each(dropoff_datetime=[PICKUP, PICKUP + DAY])) == [[], []]


def test_a_trip_that_ends_before_it_begins_has_a_negative_duration(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(GREEN_TRIP.but(dropoff_datetime=PICKUP - SECOND)) == [["negative_duration"]]


def test_more_than_24_hours_are_impossible_and_the_year_3019_is_no_error(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(dropoff_datetime=[PICKUP + DAY + SECOND, datetime(3019, 2, 3, 17, 30)])
    assert rules_broken_by(*trips) == [["impossible_duration"]] * 2


# impossible_distance


def test_a_trip_is_from_0_to_500_miles_long_or_not_measured(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*GREEN_TRIP.each(trip_distance=[0.0, 500.0, None])) == [[], [], []]


def test_fewer_miles_than_0_or_more_than_500_are_impossible(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(trip_distance=[-0.01, 500.01, 312_722.3])
    assert rules_broken_by(*trips) == [["impossible_distance"]] * 3


def test_the_distance_of_fhvhv_is_called_trip_miles(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*FHVHV_TRIP.each(trip_miles=[500.0, 500.01])) == [[], ["impossible_distance"]]


# unknown_zone


@at_either_end
def test_zones_are_1_to_265_or_missing(end: str, rules_broken_by: RulesBroken) -> None:
    trips = FHV_TRIP.each(**{f"{end}_location_id": [1, 265, None, 0, 266, -1]})
    assert rules_broken_by(*trips) == [[], [], [], *[["unknown_zone"]] * 3]


# negative_amount


def test_a_refund_without_its_trip_is_a_negative_amount(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(REFUND) == [["negative_amount"]]


def test_a_total_of_nothing_is_no_negative_amount(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*GREEN_TRIP.each(total_amount=[0.0, None])) == [[], []]


def test_of_the_amounts_only_the_total_counts(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(GREEN_TRIP.but(fare_amount=-11.0, tip_amount=-1.0)) == [[]]


def test_fhvhv_has_no_total(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(FHVHV_TRIP.but(base_passenger_fare=-11.0)) == [[]]


# voided_trip


def test_a_trip_is_voided_by_its_refund_whichever_comes_first(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(GREEN_TRIP, REFUND) == [["voided_trip"], ["negative_amount"]]
    assert rules_broken_by(REFUND, GREEN_TRIP) == [["negative_amount"], ["voided_trip"]]


def test_a_refund_is_opposite_to_the_cent_and_not_to_the_last_bit(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(total_amount=[12.300000000000001, 12.29, 12.31])
    assert rules_broken_by(*trips, REFUND) == [["voided_trip"], [], [], ["negative_amount"]]


@pytest.mark.parametrize(
    "other",
    [
        {"vendor_id": 1},
        {"pickup_datetime": PICKUP + SECOND},
        {"dropoff_datetime": PICKUP + HOUR},
        {"pickup_location_id": 75},
        {"dropoff_location_id": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_refund_of_another_trip_voids_nothing(other: dict[str, object], rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(GREEN_TRIP, REFUND.but(**other)) == [[], ["negative_amount"]]


def test_a_missing_zone_is_the_same_zone_as_a_missing_zone(rules_broken_by: RulesBroken) -> None:
    nowhere = dict.fromkeys(("vendor_id", "pickup_location_id", "dropoff_location_id"))
    assert rules_broken_by(GREEN_TRIP.but(**nowhere), REFUND.but(**nowhere)) == [["voided_trip"], ["negative_amount"]]


def test_a_refund_may_differ_from_its_trip_in_everything_else(rules_broken_by: RulesBroken) -> None:
    refund = REFUND.but(payment_type=4, passenger_count=None, trip_distance=0.0)
    assert rules_broken_by(GREEN_TRIP, refund) == [["voided_trip"], ["negative_amount"]]


def test_one_refund_voids_two_equal_trips(rules_broken_by: RulesBroken) -> None:
    broken = rules_broken_by(GREEN_TRIP, REFUND, GREEN_TRIP)
    assert broken == [["voided_trip"], ["negative_amount"], ["voided_trip", "duplicate"]]


def test_less_than_half_a_cent_refunds_nothing(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*GREEN_TRIP.each(total_amount=[0.0, 0.001, -0.001])) == [[], [], ["negative_amount"]]


# duplicate


def test_of_equal_rows_the_first_one_stays(rules_broken_by: RulesBroken) -> None:
    other = FHV_TRIP.but(dropoff_datetime=None)
    broken = rules_broken_by(FHV_TRIP, other, FHV_TRIP, FHV_TRIP, other)
    assert broken == [[], [], ["duplicate"], ["duplicate"], ["duplicate"]]


def test_rows_that_differ_in_any_column_are_not_equal(rules_broken_by: RulesBroken) -> None:
    others = [GREEN_TRIP.but(**{name: None}) for name, value in GREEN_TRIP.values.items() if "time" not in name]
    assert rules_broken_by(GREEN_TRIP, *others) == [[]] * (1 + len(others))


def test_rows_are_equal_by_what_the_file_says_and_not_by_what_it_means(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*GREEN_TRIP.each(vendor_id=["2", "2.0"]), types={"vendor_id": pa.string()}) == [[], []]


def test_the_stray_index_does_not_distinguish_rows(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(*YELLOW_TRIP.each(__index_level_0__=[7, 8])) == [[], ["duplicate"]]


def test_an_unknown_column_distinguishes_rows(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(not_yet_known=["street", "app", "app"])
    assert rules_broken_by(*trips) == [[], [], ["duplicate"]]


# no_passengers, no_distance


def test_a_trip_without_passengers_is_clean_unless_asked_for(rules_broken_by: RulesBroken) -> None:
    trips = GREEN_TRIP.each(passenger_count=[0, None])
    assert rules_broken_by(*trips) == [[], []]
    assert rules_broken_by(*trips, rules=["no_passengers"]) == [["no_passengers"], ["no_passengers"]]


def test_a_trip_of_no_distance_is_clean_unless_asked_for(rules_broken_by: RulesBroken) -> None:
    trips = FHVHV_TRIP.each(trip_miles=[0.0, None])
    assert rules_broken_by(*trips) == [[], []]
    assert rules_broken_by(*trips, rules=["no_distance"]) == [["no_distance"], ["no_distance"]]


def test_what_a_dataset_does_not_publish_cannot_be_missed(rules_broken_by: RulesBroken) -> None:
    assert rules_broken_by(FHVHV_TRIP, rules=["no_passengers"]) == [[]]
    assert rules_broken_by(FHV_TRIP, rules=["no_passengers", "no_distance"]) == [[]]


# Sets of rules


def test_a_row_names_every_rule_it_breaks_in_the_order_of_the_catalogue(rules_broken_by: RulesBroken) -> None:
    worst = GREEN_TRIP.but(
        vendor_id=2**62,
        pickup_datetime=datetime(2041, 1, 1),
        trip_distance=-1.0,
        pickup_location_id=0,
        total_amount=-1.0,
        passenger_count=0,
    )
    expected = [
        *("unreadable_value", "stray_month", "negative_duration", "impossible_distance", "unknown_zone"),
        *("negative_amount", "no_passengers", "no_distance"),
    ]
    assert rules_broken_by(worst, rules=reversed(EVERY_RULE)) == [expected]


def test_the_first_rule_that_a_row_breaks_is_the_one_it_counts_for(tmp_path: Path) -> None:
    outcome = outcome_of_table(
        month_of(GREEN_TRIP, REFUND.but(trip_distance=-2.5), GREEN_TRIP), tmp_path, GREEN_TRIP.dataset
    )
    rules = [(row["rule"], row["rules"]) for row in outcome.quarantine.to_pylist()]
    assert rules == [
        ("voided_trip", ["voided_trip"]),
        ("impossible_distance", ["impossible_distance", "negative_amount"]),
        ("voided_trip", ["voided_trip", "duplicate"]),
    ]
    counts = {rule: count for rule, count in outcome.rejected.items() if count}
    assert counts == {"impossible_distance": 1, "voided_trip": 2}
    assert list(outcome.rejected) == list(DEFAULT_RULES)


def test_the_courses_rules_leave_exactly_the_trips_with_passengers_and_a_distance(rules_broken_by: RulesBroken) -> None:
    trips = [
        GREEN_TRIP.but(passenger_count=passengers, trip_distance=miles, total_amount=-1.0)
        for passengers in (-1, 0, None, 1, 5)
        for miles in (-1.0, 0.0, None, 0.01, 501.0)
    ]
    broken = rules_broken_by(*trips, rules=["no_passengers", "no_distance"])
    clean = [trip.values for trip, rules in zip(trips, broken, strict=True) if not rules]
    expected = [(1, 0.01), (1, 501.0), (5, 0.01), (5, 501.0)]
    assert [(trip["passenger_count"], trip["trip_distance"]) for trip in clean] == expected


def test_a_rule_that_is_not_asked_for_is_not_named(rules_broken_by: RulesBroken) -> None:
    others = [name for name in DEFAULT_RULES if name != "duplicate"]
    assert rules_broken_by(FHV_TRIP, FHV_TRIP, rules=others) == [[], []]


def test_a_rule_that_does_not_exist_is_refused_with_those_that_do(rules_broken_by: RulesBroken) -> None:
    with pytest.raises(
        InvalidRequest, match=r"no such rule: no_smoking\. The rules are unreadable_value, missing_time"
    ):
        rules_broken_by(GREEN_TRIP, rules=["no_smoking"])
