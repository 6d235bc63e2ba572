from datetime import date

import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month

JANUARY, DECEMBER = Month(2024, 1), Month(2024, 12)


@pytest.mark.parametrize(("text", "month"), [("2024-01", JANUARY), ("2024-12", DECEMBER), (" 2024-01 ", JANUARY)])
def test_a_month_is_written_as_year_and_number(text: str, month: Month) -> None:
    assert Month.parse(text) == month


@pytest.mark.parametrize("month", [JANUARY, DECEMBER, Month(2009, 9)])
def test_a_month_is_read_back_from_its_own_text(month: Month) -> None:
    assert Month.parse(str(month)) == month


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-1",
        "2024-00",
        "2024-13",
        "24-01",
        "2024-01-01",
        "2024/01",
        "202401",
        "-2024-01",
        "June",
        "0000-01",
        "\u0662\u0660\u0662\u0664-01",
    ],
)
def test_any_other_text_is_refused_with_the_form_that_is_meant(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is not a month: write it as 2024-01$"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("2024-01", ["2024-01"]),
        ("2024-01..2024-01", ["2024-01"]),
        ("2023-11..2024-02", ["2023-11", "2023-12", "2024-01", "2024-02"]),
        ("2023-11 .. 2023-12", ["2023-11", "2023-12"]),
    ],
)
def test_a_range_has_both_its_ends(text: str, months: list[str]) -> None:
    assert [str(month) for month in Month.parse_range(text)] == months


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"'2024-02\.\.2024-01' ends before it begins"):
        Month.parse_range("2024-02..2024-01")


@pytest.mark.parametrize("text", ["..", "2024-01..", "..2024-01", "2024-01...2024-02", "2024-01..2024-02..2024-03"])
def test_a_range_with_an_end_that_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a month"):
        Month.parse_range(text)


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        (0, "2024-01"),
        (1, "2024-02"),
        (11, "2024-12"),
        (12, "2025-01"),
        (-1, "2023-12"),
        (-12, "2023-01"),
        (-13, "2022-12"),
    ],
)
def test_months_are_added_across_years(months: int, expected: str) -> None:
    assert str(JANUARY.plus(months)) == expected


def test_months_are_ordered_by_time() -> None:
    assert Month(2023, 12) < JANUARY < DECEMBER < Month(2025, 1)


def test_the_months_until_an_earlier_one_are_none() -> None:
    assert list(DECEMBER.until(JANUARY)) == []
    assert list(JANUARY.until(JANUARY)) == [JANUARY]


def test_a_month_is_the_month_of_each_of_its_days() -> None:
    assert Month.of(date(2024, 2, 29)) == Month.of(date(2024, 2, 1)) == Month(2024, 2)


def test_the_first_day_is_the_months_value_in_every_table() -> None:
    assert DECEMBER.first_day == date(2024, 12, 1)
