"""A calendar month: the unit in which TLC publishes, and the key of every partition."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from taxi_assets.errors import InvalidRequest

_FORM = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")


def now() -> datetime:
    """The time in UTC, read in one place: a test that needs another day replaces this function."""
    return datetime.now(tz=UTC)


@dataclass(frozen=True, order=True)
class Month:
    """One calendar month; `str(month)` is the partition key, for example `2024-01`."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """The month written `YYYY-MM`.

        Raises:
            InvalidRequest: the text has another form.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise InvalidRequest(f"{text!r} is not a month: write it as 2024-01")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def parse_range(cls, text: str) -> "list[Month]":
        """The months of `2024-01` or, both ends included, of `2024-01..2024-06`.

        Raises:
            InvalidRequest: an end has another form, or the last month lies before the first.
        """
        first_text, dots, last_text = text.partition("..")
        first = cls.parse(first_text)
        last = cls.parse(last_text) if dots else first
        if last < first:
            raise InvalidRequest(f"{text!r} ends before it begins: write the earlier month first")
        return list(first.until(last))

    @classmethod
    def of(cls, day: date) -> "Month":
        """The month that the day lies in."""
        return cls(day.year, day.month)

    @classmethod
    def current(cls) -> "Month":
        """The month that it is now, in UTC as Dagster's partitions."""
        return cls.of(now().date())

    @property
    def first_day(self) -> date:
        """The value of `source_month` in every table."""
        return date(self.year, self.number, 1)

    def plus(self, months: int) -> "Month":
        """The month so many months later, or earlier where the number is negative."""
        years, zero_based = divmod(self.year * 12 + self.number - 1 + months, 12)
        return Month(years, zero_based + 1)

    def until(self, last: "Month") -> "Iterator[Month]":
        """Every month from this one to the last, both included."""
        month = self
        while month <= last:
            yield month
            month = month.plus(1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"
