"""Positions of the defects in a synthetic month, by arithmetic alone: counts are known without generating rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from taxi_assets.catalog import RULES, Dataset, Field, Rule
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month

DEFAULT_ROWS = 5_000
UNREPORTED_SINCE = Month(2019, 1)
UNREPORTED_EVERY = 20  # every 20th row lacks the columns that some companies leave out: 5 to 45 % of TLC's rows do

_MIN_ROWS_PER_DEFECT = 3
_ROWS_PER_DEFECT = 1_000
_SLOTS = 1 + len(RULES)  # slot 0 is for the rows that duplicates repeat
MINIMUM_ROWS = _MIN_ROWS_PER_DEFECT * _SLOTS * 2
MAXIMUM_ROWS = 200_000_000  # with more, `Trips.serials` no longer makes the trips of one second distinct


@dataclass(frozen=True)
class Plan:
    """A synthetic month to generate, and the positions of its defects.

    Attributes:
        dataset: the dataset.
        month: the month.
        rows: the number of rows.
        defect_rows: rule -> ascending positions of the rows that break it, for every rule that applies to the era.
        repeated_rows: rule -> per defect row, the position of the row with the same trip: duplicates repeat
            clean rows, and refund records repeat the voided trips.
    """

    dataset: Dataset
    month: Month
    rows: int
    defect_rows: Mapping[str, tuple[int, ...]]
    repeated_rows: Mapping[str, tuple[int, ...]]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the month's file."""
        return self.dataset.era(self.month).fields


def plan_month(dataset: Dataset, month: Month, rows: int) -> Plan:
    """Distribute the defects over a month with that number of rows.

    Raises:
        InvalidRequest: the number of rows is out of range, or the month is before the dataset's first.
    """
    if not MINIMUM_ROWS <= rows <= MAXIMUM_ROWS:
        raise InvalidRequest(f"a sample month has from {MINIMUM_ROWS} to {MAXIMUM_ROWS:,} rows, not {rows:,}")
    applicable = _applicable_rules(dataset, month)
    broken = {rule.name: _spread(rows, slot) for slot, rule in enumerate(RULES, start=1) if rule in applicable}
    repeated = {"duplicate": _spread(rows, 0)}
    if "voided_trip" in broken:
        repeated["negative_amount"] = broken["voided_trip"]
    return Plan(dataset, month, rows, broken, repeated)


def expected_defects(dataset: Dataset, month: Month, *, rows: int = DEFAULT_ROWS) -> Mapping[str, int]:
    """Rule -> number of rows of the synthetic month that break it, for every rule that applies to its era.

    For a default rule, the rows whose first broken rule it is: their sum is the number of quarantined rows. For any
    other rule, the rows that break it and no default rule.

    Raises:
        InvalidRequest: the number of rows is out of range, or the month is before the dataset's first.
    """
    counts = {name: len(broken) for name, broken in plan_month(dataset, month, rows).defect_rows.items()}
    if "no_passengers" in counts and month >= UNREPORTED_SINCE:
        counts["no_passengers"] += len(range(0, rows, UNREPORTED_EVERY))
    return counts


def _applicable_rules(dataset: Dataset, month: Month) -> tuple[Rule, ...]:
    """The rules whose required columns the era's files have, and not as type null."""
    filled = {one.column for one in dataset.era(month).fields if one.column and not pa.types.is_null(one.physical)}
    roles = {"distance": dataset.distance, "total": dataset.total}
    return tuple(rule for rule in RULES if all(roles.get(name, name) in filled for name in rule.required_columns))


def _spread(rows: int, slot: int) -> tuple[int, ...]:
    """One row in each stretch of the month, within the slot's part of the stretch; never an unreported row."""
    stretches = max(_MIN_ROWS_PER_DEFECT, rows // _ROWS_PER_DEFECT)
    width = rows // stretches // _SLOTS
    spread = (
        stretch * rows // stretches + slot * width + (stretch * 7 + slot) % (width - 1) for stretch in range(stretches)
    )
    return tuple(row + (row % UNREPORTED_EVERY == 0) for row in spread)
