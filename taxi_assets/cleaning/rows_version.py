"""What a month's rows were made from, as one text: the data version that Dagster records of clean rows and tables.

With it, all months of a store are compared with the current catalogue by one query of Dagster's records.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from taxi_assets.catalog import DEFAULT_RULES, Dataset, Rule, select_rules
from taxi_assets.cleaning.cleaning_version import CleaningVersion, cleaning_version
from taxi_assets.errors import InvalidRequest
from taxi_assets.month import Month
from taxi_assets.stores.rows import PROVENANCE

CLEANING_VERSION = f"{PROVENANCE}cleaning_version"
_DEFAULT = "default_rules"
_FORM = re.compile(r"(?P<sha256>[0-9a-f]{64})(?: by (?P<rules>[\w,]*))?(?:; (?P<cleaning>.+))?")


@dataclass(frozen=True)
class RowsVersion:
    """The source file, the rules and the cleaning version of a month's rows.

    Attributes:
        sha256: of the source file.
        rules: names of the applied rules; None for the default set.
        cleaning: the cleaning version; None in records of releases that had none.
    """

    sha256: str
    rules: tuple[str, ...] | None
    cleaning: CleaningVersion | None

    @classmethod
    def parse(cls, text: str) -> "RowsVersion | None":
        """The version whose `str` this is; None for other texts.

        The data version of a table from a release without cleaning versions is a hash by Dagster: it gives a version
        whose `sha256` is no file's.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        rules = None if found["rules"] is None else tuple(filter(None, found["rules"].split(",")))
        return cls(found["sha256"], rules, CleaningVersion.parse(found["cleaning"] or ""))

    @classmethod
    def of(cls, provenance: Mapping[str, str]) -> "RowsVersion | None":
        """The version by the provenance of the rows; None for rows of a release without cleaning versions."""
        if CLEANING_VERSION not in provenance:
            return None
        hashes = json.loads(provenance[CLEANING_VERSION])
        is_default = hashes.pop(_DEFAULT)
        rules = None if is_default else tuple(provenance[f"{PROVENANCE}rules"].split(","))
        return cls(provenance[f"{PROVENANCE}source_sha256"], rules, CleaningVersion(**hashes))

    def rules_now(self, dataset: Dataset) -> tuple[Rule, ...] | None:
        """The rules of these names as they are now; None where one does not exist any more."""
        try:
            return select_rules(dataset, DEFAULT_RULES if self.rules is None else self.rules)
        except InvalidRequest:
            return None

    def __str__(self) -> str:
        by = "" if self.rules is None else f" by {','.join(self.rules)}"
        return f"{self.sha256}{by}" + ("" if self.cleaning is None else f"; {self.cleaning}")


class CleaningVersions:
    """The current cleaning versions of a dataset's months, each computed once for an era and a set of rules."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._known: dict[tuple[Month, tuple[str, ...]], CleaningVersion] = {}

    def changes_since(self, recorded: RowsVersion, month: Month) -> tuple[str, ...]:
        """What has changed for the month since its rows were made, for example `rules changed`.

        The rules that it was cleaned by are compared, and no others. Empty where no cleaning version is recorded.
        """
        if recorded.cleaning is None:
            return ()
        rules = recorded.rules_now(self._dataset)
        return ("rules changed",) if rules is None else self._current(month, rules).changes_since(recorded.cleaning)

    def _current(self, month: Month, rules: Sequence[Rule]) -> CleaningVersion:
        key = (self._dataset.era(month).since, tuple(rule.name for rule in rules))
        if key not in self._known:
            self._known[key] = cleaning_version(self._dataset, month, rules)
        return self._known[key]


def version_provenance(dataset: Dataset, month: Month, rules: Sequence[Rule]) -> dict[str, str]:
    """Provenance of a month that is cleaned now by these rules: the hashes, and whether they are the default rules."""
    is_default = tuple(rules) == select_rules(dataset, DEFAULT_RULES)
    hashes = asdict(cleaning_version(dataset, month, rules))
    return {CLEANING_VERSION: json.dumps({**hashes, _DEFAULT: is_default})}
