"""Check that a source file has the catalogue's columns and no others, evaluated in the step that cleans it.

It only warns: unknown columns are not loaded, and missing ones are loaded as NULL.
"""

from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.checks.monthly import monthly_check_spec
from taxi_assets.month import Month

if TYPE_CHECKING:
    from taxi_assets.cleaning import Cleaned

COLUMNS_KNOWN = "columns_known"


def columns_spec(dataset: Dataset) -> dg.AssetCheckSpec:
    """The spec of the check; the step of the clean asset evaluates it."""
    return monthly_check_spec(
        dataset, Layer.CLEAN, COLUMNS_KNOWN, description="The source file has the catalogue's columns and no others."
    )


def columns_result(cleaned: "Cleaned", dataset: Dataset, month: Month) -> dg.AssetCheckResult:
    """The check's result for the month that was cleaned."""
    unknown, missing = list(cleaned.unknown_columns), list(cleaned.missing_columns)
    findings = [
        *([f"the source file has columns that the catalogue lacks: {', '.join(unknown)}"] if unknown else []),
        *([f"the source file lacks columns of the catalogue: {', '.join(missing)}"] if missing else []),
    ]
    text = (
        f"{dataset.name} {month} in the lake: {'; '.join(findings)}. If TLC has changed its columns, add an era to the "
        f"catalogue (CONTRIBUTING.md), then: taxi run {dataset.name} {month}"
    )
    return dg.AssetCheckResult(
        check_name=COLUMNS_KNOWN,
        asset_key=dataset.key(Layer.CLEAN),
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        description=text if findings else None,
        metadata={"unknown": unknown, "missing": missing},
    )
