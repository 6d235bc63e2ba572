"""The checks on and between the assets; what they compare is read from the stores, not from what the assets said.

Those that find a table wrong stop the run: `accounting` before the tables are made, `content` after it. What is merely
odd is a warning: `quality`.
"""

from collections.abc import Sequence

import dagster as dg

from taxi_assets.catalog import TABLE_STORES, Dataset
from taxi_assets.checks.accounting import accounting_check
from taxi_assets.checks.content import content_check
from taxi_assets.checks.quality import quality_checks

__all__ = ["trips_checks"]


def trips_checks(dataset: Dataset) -> Sequence[dg.AssetChecksDefinition]:
    """The checks of one dataset."""
    return [
        accounting_check(dataset),
        quality_checks(dataset),
        *(content_check(store, dataset) for store in TABLE_STORES),
    ]
