"""Which rows another set of rules moves, out of quarantine and into it."""

from pathlib import Path

from taxi_assets.cleaning import Move, rule_moves
from taxi_assets.stores.rows import Rows

from .months import GREEN_TRIP, month_of, outcome_of, written

TRIPS = [
    GREEN_TRIP,
    GREEN_TRIP.but(trip_distance=501.0),
    GREEN_TRIP.but(trip_distance=501.0, passenger_count=0, vendor_id=1),
    *[GREEN_TRIP.but(passenger_count=0, vendor_id=vendor) for vendor in range(3, 10)],
]


def moves(folder: Path, before: list[str], after: list[str]) -> list[Move]:
    path = written(month_of(*TRIPS), folder, GREEN_TRIP.dataset)
    old, new = (
        Rows.from_table(outcome_of(path, GREEN_TRIP.dataset, rules=rules).quarantine) for rules in (before, after)
    )
    return rule_moves(old, new, folder / "scratch")


def test_the_same_rules_move_nothing(tmp_path: Path) -> None:
    assert moves(tmp_path, ["impossible_distance"], ["impossible_distance"]) == []


def test_a_rule_more_moves_clean_rows_and_is_a_further_rule_of_rejected_ones(tmp_path: Path) -> None:
    assert moves(tmp_path, ["impossible_distance"], ["impossible_distance", "no_passengers"]) == [
        Move(None, "no_passengers", 7, [3, 4, 5, 6, 7]),
        Move("impossible_distance", "impossible_distance", 1, [2]),
    ]


def test_another_rule_moves_rows_both_ways(tmp_path: Path) -> None:
    assert moves(tmp_path, ["no_passengers"], ["impossible_distance"]) == [
        Move("no_passengers", None, 7, [3, 4, 5, 6, 7]),
        Move("no_passengers", "impossible_distance", 1, [2]),
        Move(None, "impossible_distance", 1, [1]),
    ]
