"""The numbers of charts as tables, for keyboards, touch screens and screen readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

SAME_WEEKDAY = timedelta(days=364)  # 52 weeks: weekdays differ more from each other than years do
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = 24


@dataclass(frozen=True)
class Numbers:
    """A table: the heading of each column, and rows of text; a row's first cell is its heading."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def days_numbers(days: Mapping[date, int], month_days: Sequence[date], before: Mapping[date, int]) -> Numbers:
    """Trips of each day, and of the same weekday of the year before where that is loaded."""
    headings = ("day", "trips", *(("the year before",) if before else ()))
    rows = [
        (
            f"{WEEKDAYS[day.weekday()]} {day}",
            f"{days.get(day, 0):,}",
            *((_count(before.get(day - SAME_WEEKDAY)),) if before else ()),
        )
        for day in month_days
    ]
    return Numbers(headings, rows)


def week_means(hours: Mapping[tuple[date, int], int], month_days: Sequence[date]) -> list[list[float]]:
    """Weekday -> hour -> mean trips over the month's four or five days of that weekday."""
    times = [sum(day.weekday() == weekday for day in month_days) for weekday in range(7)]
    means = [[0.0] * HOURS for _ in range(7)]
    for (day, hour), trips in hours.items():
        means[day.weekday()][hour] += trips / times[day.weekday()]
    return means


def week_numbers(means: Sequence[Sequence[float]]) -> Numbers:
    """Mean trips by hour, a column for each weekday."""
    rows = [(f"{hour:02}:00", *(f"{means[weekday][hour]:,.0f}" for weekday in range(7))) for hour in range(HOURS)]
    return Numbers(("from", *WEEKDAYS), rows)


def counts_numbers(name: str, counts: Sequence[tuple[str, int]]) -> Numbers:
    """Trips by name."""
    return Numbers((name, "trips"), [(each, f"{trips:,}") for each, trips in counts])


def _count(trips: int | None) -> str:
    return "" if trips is None else f"{trips:,}"
