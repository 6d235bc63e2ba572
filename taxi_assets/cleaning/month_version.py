"""Shrinkage: whether a month's new version has so many fewer rows than the loaded one that loading it is refused.

Only comparable numbers are compared: for the new version the rows rejected by rules that the old version was cleaned
by too, for the old version all rejected rows. Cleaning the same file by another set of rules is therefore never a
shrinkage, since a row that a removed rule rejected first is now rejected by a remaining rule, or clean.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from taxi_assets.stores.rows import PROVENANCE

# TLC's corrections change few rows: none of the 439 files that it republished between 2023-12 and 2024-08 had another
# number of rows. Apart from the catalogue's disruptions, no two consecutive months differ by this factor.
MIN_KEPT_SHARE = 0.5
# TLC's months have 0.6 to 1.3 % of their rows in quarantine; a file with times that cannot be cast has 100 %.
MAX_QUARANTINE_FACTOR = 10
MIN_UNUSUAL_QUARANTINE = 0.05


@dataclass(frozen=True)
class MonthVersion:
    """Row counts of one version of a month.

    Attributes:
        source_rows: number of rows in the file.
        rejected: rule -> number of rows whose first broken rule it is, for every applied rule.
    """

    source_rows: int
    rejected: Mapping[str, int]

    @classmethod
    def of(cls, provenance: Mapping[str, str]) -> "MonthVersion | None":
        """The version by the provenance of its clean rows; None where the provenance lacks the counts."""
        try:
            rejected = json.loads(provenance[f"{PROVENANCE}rejected_by_rule"])
            return cls(
                int(provenance[f"{PROVENANCE}source_rows"]), {rule: int(rows) for rule, rows in rejected.items()}
            )
        except (KeyError, ValueError, TypeError, AttributeError):  # of rows that something else put there
            return None

    @property
    def clean_rows(self) -> int:
        """Number of rows that broke no rule."""
        return self.source_rows - sum(self.rejected.values())

    def __str__(self) -> str:
        rejected = self.source_rows - self.clean_rows
        return f"{self.source_rows:,} rows, {self.clean_rows:,} clean and {rejected:,} in quarantine"


def shrinkage_reasons(before: MonthVersion | None, now: MonthVersion) -> list[str]:
    """The reasons to refuse the new version, a clause each; empty where it may replace the old one.

    Args:
        before: the loaded version; None where the month is not loaded.
        now: the new version.
    """
    if now.clean_rows == 0 and (before is None or before.clean_rows > 0):
        return ["no row would be loaded"]
    return [] if before is None else list(_beyond_bounds(before, now))


def _beyond_bounds(before: MonthVersion, now: MonthVersion) -> Iterator[str]:
    rejected_before = before.source_rows - before.clean_rows
    rejected = sum(rows for rule, rows in now.rejected.items() if rule in before.rejected)
    pairs = (
        ("rows in the file", now.source_rows, before.source_rows),
        ("clean rows", now.source_rows - rejected, before.clean_rows),
    )
    for what, rows, usual in pairs:
        if usual and rows <= usual * MIN_KEPT_SHARE:
            yield f"{1 - rows / usual:.0%} of the {what} are gone"
    share, usual_share = _share(rejected, now.source_rows), _share(rejected_before, before.source_rows)
    if share > max(MIN_UNUSUAL_QUARANTINE, usual_share * MAX_QUARANTINE_FACTOR):
        yield f"{share:.1%} of the rows broke a rule, and {usual_share:.1%} did before"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
