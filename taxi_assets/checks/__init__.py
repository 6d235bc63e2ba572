"""Asset checks. They read the stores themselves, and not the metadata that the assets report.

Blocking checks: `shrinkage` and `accounting` before the tables are loaded, `content` after that. `quality` only warns.
"""

from collections.abc import Sequence

import dagster as dg

from taxi_assets.catalog import TABLE_STORES, Dataset
from taxi_assets.checks.accounting import accounting_check
from taxi_assets.checks.content import content_check
from taxi_assets.checks.quality import quality_checks

__all__ = ["trips_checks"]


def trips_checks(dataset: Dataset) -> Sequence[dg.AssetChecksDefinition]:
    """The asset checks of one dataset; `shrinkage` is evaluated in the step of the clean asset."""
    return [
        accounting_check(dataset),
        quality_checks(dataset),
        *(content_check(store, dataset) for store in TABLE_STORES),
    ]
