"""A calendar month: TLC's unit of publication, and the partition key of every monthly asset.

Dagster's partitions definitions are in `partitions`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from taxi_assets.errors import InvalidRequest

_FORM = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")


def now() -> datetime:
    """The current time in UTC; tests replace this function to simulate another day."""
    return datetime.now(tz=UTC)


@dataclass(frozen=True, order=True)
class Month:
    """One calendar month; `str(month)` is the partition key, for example `2024-01`."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Parse `YYYY-MM`.

        Raises:
            InvalidRequest: the text has another form.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise InvalidRequest(f"{text!r} is not a month: write it as 2024-01")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def parse_range(cls, text: str) -> "list[Month]":
        """Parse `2024-01`, or `2024-01..2024-06` with both ends included.

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
        """The month of the day."""
        return cls(day.year, day.month)

    @classmethod
    def current(cls) -> "Month":
        """The current month in UTC, as Dagster's partitions."""
        return cls.of(now().date())

    @property
    def first_day(self) -> date:
        """The value of `source_month` in every table."""
        return date(self.year, self.number, 1)

    @property
    def key(self) -> date:
        """The key of the month as a partition of a table: its first day."""
        return self.first_day

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return self.plus(1).first_day

    def plus(self, months: int) -> "Month":
        """The month that many months later, or earlier for a negative number."""
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
