"""Whether a month's new version has next to nothing left of the version that is loaded.

Versions are compared like with like: of the new one only what rules reject that the old one was cleaned by as well, of
the old one everything that was rejected. The same file cleaned by other rules therefore never counts as shrunk, since
a row that a dropped rule was the first to reject can at most move to one that stayed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from taxi_assets.stores.rows import PROVENANCE

# TLC's own corrections move a month by a few rows: of 439 files that it touched between 2023-12 and 2024-08 none had
# another number of rows, and disruptions aside no two months that follow one another differ as much as this.
MIN_KEPT_SHARE = 0.5
# TLC's own months have 0.6 to 1.3 % in quarantine, and a file whose times cannot be read 100 %.
MAX_QUARANTINE_FACTOR = 10
MIN_UNUSUAL_QUARANTINE = 0.05


@dataclass(frozen=True)
class MonthVersion:
    """What cleaning made of one file of a month.

    Attributes:
        source_rows: rows in the file.
        rejected: rule -> rows that broke it first, for every rule that was applied.
    """

    source_rows: int
    rejected: Mapping[str, int]

    @classmethod
    def of(cls, provenance: Mapping[str, str]) -> "MonthVersion | None":
        """The version that clean rows with this provenance are; None where it does not say."""
        try:
            rejected = json.loads(provenance[f"{PROVENANCE}rejected_by_rule"])
            return cls(
                int(provenance[f"{PROVENANCE}source_rows"]), {rule: int(rows) for rule, rows in rejected.items()}
            )
        except (KeyError, ValueError, TypeError, AttributeError):  # of rows that something else put there
            return None

    @property
    def clean_rows(self) -> int:
        """Rows that broke no rule."""
        return self.source_rows - sum(self.rejected.values())

    def __str__(self) -> str:
        rejected = self.source_rows - self.clean_rows
        return f"{self.source_rows:,} rows, {self.clean_rows:,} clean and {rejected:,} in quarantine"


def shrinkage_reasons(before: MonthVersion | None, now: MonthVersion) -> list[str]:
    """What the new version loses beyond the bounds, a clause each; none where it may take the old one's place.

    Args:
        before: the version that is loaded; None where none is.
        now: the version that is about to be.
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
