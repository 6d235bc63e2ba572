"""The few facts of a month that the index shows; the month's page carries them, so that the index needs no query."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import unescape
from typing import Any

from taxi_assets.catalog import DEFAULT_RULES, Dataset, select_rules
from taxi_assets.source.synthetic import is_synthetic_provenance
from taxi_assets.stores.rows import PROVENANCE

NAME = "taxi-facts"  # of the meta element that holds them in a page
_ELEMENT = re.compile(rf'<meta name="{NAME}" content="([^"]*)">')
_MANY = 0.05  # in quarantine; TLC's months have 0.6 to 1.3 %


@dataclass(frozen=True)
class MonthFacts:
    """Facts of a loaded month.

    Attributes:
        trips: clean rows.
        source_rows: rows in TLC's file.
        rejected: rows in quarantine.
        revenue: sum of charges in US dollars; None where TLC publishes no amounts.
        synthetic: whether the sample source generated the trips.
        default_rules: whether the month was cleaned by the default rules.
    """

    trips: int
    source_rows: int
    rejected: int
    revenue: float | None
    synthetic: bool
    default_rules: bool

    @property
    def rejected_share(self) -> float:
        """Rows in quarantine as a part of the file's rows, from 0 to 1."""
        return self.rejected / self.source_rows if self.source_rows else 0.0

    @property
    def states(self) -> tuple[str, ...]:
        """What is unusual about the month, in words; empty for a month that is loaded as usual."""
        found = {
            "synthetic": self.synthetic,
            "no trips": not self.trips,
            "many in quarantine": self.rejected_share > _MANY,
            "other rules": not self.default_rules,
        }
        return tuple(name for name, holds in found.items() if holds)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "MonthFacts":
        """The facts of these values by name.

        Raises:
            KeyError, TypeError, ValueError: they are not those of this class.
        """
        revenue = values["revenue"]
        return cls(
            int(values["trips"]),
            int(values["source_rows"]),
            int(values["rejected"]),
            None if revenue is None else float(revenue),
            values["synthetic"] is True,
            values["default_rules"] is True,
        )

    def to_json(self) -> str:
        """The facts for the page's meta element."""
        return json.dumps(asdict(self))


def month_facts(
    dataset: Dataset, trips: int, revenue: float | None, rejected: int, provenance: Mapping[str, str]
) -> MonthFacts:
    """The facts of a month.

    Args:
        dataset: of the month.
        trips: clean rows.
        revenue: in US dollars; None where TLC publishes no amounts.
        rejected: rows in quarantine.
        provenance: of the clean rows.
    """
    rules = provenance.get(f"{PROVENANCE}rules", "").split(",")
    return MonthFacts(
        trips=trips,
        source_rows=int(provenance.get(f"{PROVENANCE}source_rows", 0)),
        rejected=rejected,
        revenue=None if revenue is None else round(revenue, 2),
        synthetic=is_synthetic_provenance(provenance),
        default_rules=set(rules) == {rule.name for rule in select_rules(dataset, DEFAULT_RULES)},
    )


def facts_in(page: str) -> MonthFacts | None:
    """The facts that a page carries; None for a page that was made before pages carried them."""
    found = _ELEMENT.search(page)
    if found is None:
        return None
    try:
        return MonthFacts.parse(json.loads(unescape(found[1])))
    except (KeyError, TypeError, ValueError):  # of another version of this module
        return None
