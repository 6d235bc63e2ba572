"""Partitions of a table: the value of the key column that all rows of a partition share, and where a window ends.

A `Month` is a partition, too. The key is a window's start: a DATE where windows are whole days, else an instant; or it
is the name of a partition that is no window. A table has partitions of one kind only.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import Enum
from hashlib import sha256
from typing import Protocol, TypeAlias

import pyarrow as pa

from taxi_assets.errors import SchemaMismatch
from taxi_assets.month import Month

Key: TypeAlias = date | str  # a datetime is a date


class Partition(Protocol):
    """What the stores need of a partition."""

    @property
    def key(self) -> Key:
        """The key column's value: a date, a datetime in UTC, or a text."""

    @property
    def end(self) -> date | None:
        """Where the window ends, exclusive, in the type of the key; None where that is unknown, or it is no window."""


@dataclass(frozen=True)
class Window:
    """A window of time that is no calendar month.

    Attributes:
        key: its start: a date where it begins and ends at midnight of its own time zone, else a datetime in UTC.
        end: its end, exclusive, in the same type; None where a store lists what it holds.
    """

    key: date
    end: date | None = None

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "Month | Window":
        """The partition of a window whose ends have the time zone of its partitions definition."""
        if start.time() == end.time() == time():
            month = Month.of(start.date())
            is_month = (start.date(), end.date()) == (month.first_day, month.plus(1).first_day)
            return month if is_month else cls(start.date(), end.date())
        return cls(start.astimezone(UTC), end.astimezone(UTC))

    def __str__(self) -> str:
        return text_of(self.key)


@dataclass(frozen=True)
class Named:
    """A partition that is no window of time, as a key of Dagster's static partitions.

    Attributes:
        key: its name.
    """

    key: str
    end: None = None

    def __str__(self) -> str:
        return self.key


class Kind(Enum):
    """A kind of partition, by which its table is laid out; the value names it in messages.

    A table of months is no table of days: readers select by the key, and the keys of both are dates.
    """

    MONTH = "months"
    DATE = "windows of whole days"
    TIME = "windows of hours or minutes"
    NAME = "names"

    def __str__(self) -> str:
        return self.value

    @property
    def key_type(self) -> pa.DataType:
        """The key column's Arrow type."""
        if self is Kind.NAME:
            return pa.string()
        return pa.timestamp("us", "UTC") if self is Kind.TIME else pa.date32()

    @property
    def default_column(self) -> str:
        """The key column's name where none is given."""
        return {Kind.MONTH: "source_month", Kind.NAME: "partition_key"}.get(self, "window_start")


def kind_of(partition: Partition) -> Kind:
    """The partition's kind."""
    if isinstance(partition, Month):
        return Kind.MONTH
    if isinstance(partition.key, str):
        return Kind.NAME
    return Kind.TIME if isinstance(partition.key, datetime) else Kind.DATE


def key_column(column: str | None, partition: Partition) -> str:
    """The key column's name: the given one, or the default of the partition's kind."""
    return column or kind_of(partition).default_column


def text_of(key: Key) -> str:
    """The key as text without a character that a path or a bucket reserves, for example `2024-01-05T07:30Z`."""
    if isinstance(key, datetime):
        form = "%Y-%m-%dT%H:%MZ" if (key.second, key.microsecond) == (0, 0) else "%Y-%m-%dT%H:%M:%S.%fZ"
        return key.strftime(form)
    return str(key)


def parse_time(text: str) -> datetime:
    """The instant that `text_of` wrote."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def key_from(kind: Kind, text: str) -> Key:
    """The key that `text_of` wrote."""
    if kind is Kind.NAME:
        return text
    return parse_time(text) if kind is Kind.TIME else date.fromisoformat(text)


def identifier_of(partition: Partition) -> str:
    """The key as a part of a table's name: `2024_01`, `2024_01_05`, `2024_01_05_07_30`, or a name with a hash.

    Two keys never have the same one: the hash is added wherever the name is changed.
    """
    key = partition.key
    if isinstance(partition, Month):
        return f"{partition.year:04d}_{partition.number:02d}"
    if not isinstance(key, str):
        return re.sub(r"\D+", "_", text_of(key)).strip("_")
    plain = re.sub(r"[^a-z0-9]+", "_", key)[:20]
    return plain if plain == key else f"{plain}_{sha256(key.encode()).hexdigest()[:8]}"


def months_among(keys: Iterable[Key]) -> list[Month]:
    """The months of the keys of a table of months, oldest first."""
    return sorted(Month.of(key) for key in keys if type(key) is date and key.day == 1)


def in_order(partitions: Iterable[Partition]) -> list[Partition]:
    """The partitions of one table in the order of their keys."""
    return sorted(partitions, key=lambda one: one.key)  # all of one type


def missing_from(keys: Iterable[Key], wanted: Sequence[Partition] | None) -> list[str]:
    """The names of the partitions that are not among the keys."""
    held = set(keys)
    return [str(partition) for partition in wanted or () if partition.key not in held]


def require_no_overlap(table: str, keys: Iterable[Key], partition: Partition) -> None:
    """Refuse a window in which other partitions of the table begin, as when days became weeks.

    Raises:
        SchemaMismatch: the text names one of them.
    """
    if partition.end is None or isinstance(partition, Month):
        return
    within = [key for key in keys if not isinstance(key, str) and partition.key < key < partition.end]  # type: ignore[operator]
    if within:
        raise overlapping(table, partition, f"a partition begins at {text_of(min(within))}")


def overlapping(table: str, partition: Partition, found: str) -> SchemaMismatch:
    """The error for a window that another partition of the table overlaps.

    Args:
        table: the table's name.
        partition: that is to be loaded.
        found: what is there.
    """
    return SchemaMismatch(
        f"{table} cannot take {partition}, since its windows have changed ({found}): remove the table, or give the "
        "asset another name, and materialize it again"
    )
