"""Whether every source row is in exactly one place."""

import dagster as dg

from taxi_assets.catalog import Dataset
from taxi_assets.io_managers import LakeIOManager
from taxi_assets.io_managers.common import named_failures
from taxi_assets.partitions import month_of_run
from taxi_assets.stores.base import TableSlice


def accounting_check(dataset: Dataset) -> dg.AssetChecksDefinition:
    """Source rows = clean rows + quarantined rows."""

    @dg.asset_check(
        asset=["clean", dataset.table],
        description="Source rows = clean rows + quarantined rows. Nothing goes on to the tables before that holds.",
        blocking=True,
    )
    def rows_accounted_for(
        context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[LakeIOManager]
    ) -> dg.AssetCheckResult:
        month = month_of_run(context)
        with named_failures():
            store = lake.store().pinned()
            source = store.file_rows(f"raw/{dataset.table}", dataset.file_name(month))
            clean = store.count(TableSlice(f"clean/{dataset.table}", month))
            quarantined = store.count(TableSlice(f"quarantine/{dataset.table}", month))
        return dg.AssetCheckResult(
            passed=source == clean + quarantined,
            metadata={"source": source, "clean": clean, "quarantined": quarantined},
        )

    return rows_accounted_for
