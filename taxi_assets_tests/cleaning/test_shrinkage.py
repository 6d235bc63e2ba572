"""When a new version of a month has too little left of the one that is loaded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.catalog import RULES
from taxi_assets.cleaning.month_version import MonthVersion, shrinkage_reasons

USUAL = MonthVersion(60_000, {"unreadable_value": 0, "missing_time": 0, "duplicate": 500})
NAMES = [rule.name for rule in RULES]


def version(rows: int, **rejected: int) -> MonthVersion:
    return MonthVersion(rows, {**dict.fromkeys(USUAL.rejected, 0), **rejected})


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (version(0), "no row would be loaded"),
        (version(60_000, unreadable_value=60_000), "no row would be loaded"),
        (version(30_000), "50% of the rows in the file are gone"),
        (version(60_000, missing_time=31_000), "51% of the clean rows are gone"),
        (version(60_000, duplicate=6_000), "10.0% of the rows broke a rule, and 0.8% did before"),
    ],
)
def test_a_version_that_lost_too_much_says_what(now: MonthVersion, expected: str) -> None:
    assert expected in shrinkage_reasons(USUAL, now)


@pytest.mark.parametrize(
    "now",
    [
        USUAL,
        version(40_000, duplicate=500),
        version(61_000, duplicate=2_900),  # less than 5 %, though many times the usual share of other months
        version(120_000, duplicate=4_000),
    ],
)
def test_a_correction_passes(now: MonthVersion) -> None:
    assert shrinkage_reasons(USUAL, now) == []


def test_a_first_version_passes_unless_it_is_empty() -> None:
    assert shrinkage_reasons(None, version(3)) == []
    assert shrinkage_reasons(None, version(0)) == ["no row would be loaded"]
    assert shrinkage_reasons(None, version(3, missing_time=3)) == ["no row would be loaded"]


def test_an_empty_version_that_was_accepted_can_be_loaded_again() -> None:
    assert shrinkage_reasons(version(0), version(0)) == []


def test_other_rules_are_no_loss_but_what_they_have_in_common_is() -> None:
    homework = MonthVersion(60_000, {"unreadable_value": 0, "no_passengers": 29_000, "no_distance": 2_000})
    assert shrinkage_reasons(USUAL, homework) == []
    assert shrinkage_reasons(homework, USUAL) == []
    unreadable = MonthVersion(60_000, {"unreadable_value": 50_000, "no_passengers": 0, "no_distance": 0})
    assert shrinkage_reasons(USUAL, unreadable) == [
        "83% of the clean rows are gone",
        "83.3% of the rows broke a rule, and 0.8% did before",
    ]


@given(
    rows=st.lists(st.sets(st.integers(0, len(NAMES) - 1)), min_size=1, max_size=60),
    rules=st.tuples(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES))),
)
def test_the_same_rows_under_any_two_sets_of_rules_are_no_loss_unless_none_is_left(
    rows: list[set[int]], rules: tuple[set[str], set[str]]
) -> None:
    def cleaned(names: set[str]) -> MonthVersion:
        rejected = {name: 0 for name in NAMES if name in names}
        for row in rows:
            first = next((name for at, name in enumerate(NAMES) if at in row and name in names), None)
            if first is not None:
                rejected[first] += 1
        return MonthVersion(len(rows), rejected)

    assert set(shrinkage_reasons(cleaned(rules[0]), cleaned(rules[1]))) <= {"no row would be loaded"}


def test_what_provenance_does_not_say_is_not_known() -> None:
    provenance = {"taxi/source_rows": "7", "taxi/rejected_by_rule": json.dumps({"duplicate": 2})}
    assert MonthVersion.of(provenance) == MonthVersion(7, {"duplicate": 2})
    for odd in ({}, {**provenance, "taxi/source_rows": "many"}, {**provenance, "taxi/rejected_by_rule": "[1]"}):
        assert MonthVersion.of(odd) is None
