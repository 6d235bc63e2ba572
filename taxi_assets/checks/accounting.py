"""Asset check: every source row is either in the clean rows or in quarantine."""

import dagster as dg

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.checks.monthly import monthly_check
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.partitions import month_of_run
from taxi_assets.resources import StoresResource
from taxi_assets.stores.base import TableSlice

ROWS_ACCOUNTED_FOR = "rows_accounted_for"


def accounting_check(dataset: Dataset) -> dg.AssetChecksDefinition:
    """Blocking check of the clean asset: source rows = clean rows + quarantined rows."""

    @monthly_check(
        dataset,
        Layer.CLEAN,
        ROWS_ACCOUNTED_FOR,
        description="Source rows = clean rows + quarantined rows. Blocks the tables until that holds.",
        blocking=True,
    )
    def rows_accounted_for(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        month = month_of_run(context)
        with map_errors_to_failures():
            lake = stores.lake().pinned()
            source = lake.file_rows(dataset.path(Layer.RAW), dataset.file_name(month))
            clean = lake.count(TableSlice(dataset.path(Layer.CLEAN), month))
            quarantined = lake.count(TableSlice(dataset.path(Layer.QUARANTINE), month))
        holds = source == clean + quarantined
        text = (
            f"{dataset.name} {month} in the lake: {source:,} rows in the source file, and {clean:,} clean + "
            f"{quarantined:,} in quarantine. To clean the file again: taxi run {dataset.name} {month}"
        )
        return dg.AssetCheckResult(
            passed=holds,
            description=None if holds else text,
            metadata={"source": source, "clean": clean, "quarantined": quarantined},
        )

    return rows_accounted_for
