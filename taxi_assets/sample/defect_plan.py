"""Which rows of a sample month break which rule: plain arithmetic, so that the counts are known without the rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from taxi_assets.catalog import RULES, Dataset, Field, Rule
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month

DEFAULT_ROWS = 5_000
UNREPORTED_SINCE = Month(2019, 1)
UNREPORTED_EVERY = 20  # TLC's files have 5 to 45 % of such rows

_MIN_ROWS_PER_DEFECT = 3
_ROWS_PER_DEFECT = 1_000
_SLOTS = 1 + len(RULES)  # the first one for the rows that duplicates repeat
MINIMUM_ROWS = _MIN_ROWS_PER_DEFECT * _SLOTS * 2
MAXIMUM_ROWS = 200_000_000  # beyond it, trips of one second could no longer all be told apart


@dataclass(frozen=True)
class Plan:
    """A sample month to be made, and which of its rows are not simply trips of their own.

    Attributes:
        dataset: whose month it is.
        month: which one.
        rows: how many there are.
        defect_rows: rule -> the rows that break it, ascending, for every rule that can be broken in that era.
        repeated_rows: rule -> the rows whose trips those that break it hold once more, one for each: duplicates repeat
            clean rows, refunds repeat the voided trips.
    """

    dataset: Dataset
    month: Month
    rows: int
    defect_rows: Mapping[str, tuple[int, ...]]
    repeated_rows: Mapping[str, tuple[int, ...]]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns of the month's file."""
        return self.dataset.era(self.month).fields


def plan_month(dataset: Dataset, month: Month, rows: int) -> Plan:
    """Spread the dirt over a month of so many rows.

    Raises:
        InvalidRequest: that many rows cannot be made, or the month lies before the dataset's first.
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
    """How many rows of that sample month break each rule that its era's columns can break.

    For the default rules: the rows that break it first, in the order of the rules, so that the sum is what goes to
    quarantine. For the others: those among the rows that break no default rule.

    Raises:
        InvalidRequest: that many rows cannot be made, or the month lies before the dataset's first.
    """
    counts = {name: len(broken) for name, broken in plan_month(dataset, month, rows).defect_rows.items()}
    if "no_passengers" in counts and month >= UNREPORTED_SINCE:
        counts["no_passengers"] += len(range(0, rows, UNREPORTED_EVERY))
    return counts


def _applicable_rules(dataset: Dataset, month: Month) -> tuple[Rule, ...]:
    """The rules that look at columns which the era's files have and fill."""
    filled = {one.column for one in dataset.era(month).fields if one.column and not pa.types.is_null(one.physical)}
    roles = {"distance": dataset.distance, "total": dataset.total}
    return tuple(rule for rule in RULES if all(roles.get(name, name) in filled for name in rule.required_columns))


def _spread(rows: int, slot: int) -> tuple[int, ...]:
    """One row in each stretch of the month, in that slot of the stretch, and never one of the unreported rows."""
    stretches = max(_MIN_ROWS_PER_DEFECT, rows // _ROWS_PER_DEFECT)
    width = rows // stretches // _SLOTS
    spread = (
        stretch * rows // stretches + slot * width + (stretch * 7 + slot) % (width - 1) for stretch in range(stretches)
    )
    return tuple(row + (row % UNREPORTED_EVERY == 0) for row in spread)
