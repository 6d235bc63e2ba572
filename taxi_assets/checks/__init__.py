"""Asset checks. They read the stores themselves, and not the metadata that the assets report.

Blocking checks: `shrinkage` and `accounting` before the tables are loaded, `content` after that. `quality` and
`known_columns` only warn. `monthly` makes each of them a check of one month.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import dagster as dg

from taxi_assets.catalog import TABLE_STORES, Dataset, Store
from taxi_assets.checks.accounting import ROWS_ACCOUNTED_FOR, accounting_check
from taxi_assets.checks.content import EQUALS_CLEAN, content_check
from taxi_assets.checks.quality import quality_checks
from taxi_assets.checks.shrinkage import NOT_SHRUNK

__all__ = ["BLOCKING_CHECKS", "trips_checks"]

# Store -> names of the checks of its trips that stop a run: their severity is ERROR, that of all others is WARN.
BLOCKING_CHECKS: Mapping[Store, Sequence[str]] = MappingProxyType(
    {Store.LAKE: (NOT_SHRUNK, ROWS_ACCOUNTED_FOR), **dict.fromkeys(TABLE_STORES, (EQUALS_CLEAN,))}
)


def trips_checks(dataset: Dataset) -> Sequence[dg.AssetChecksDefinition]:
    """The asset checks of one dataset; `shrinkage` and `known_columns` are evaluated in the step of the clean asset."""
    return [
        accounting_check(dataset),
        quality_checks(dataset),
        *(content_check(store, dataset) for store in TABLE_STORES),
    ]
