"""The checks between and on the assets; what they compare is read from the stores, not from what the assets said."""

from collections.abc import Sequence

import dagster as dg

from taxi_assets.catalog import Dataset
from taxi_assets.io_managers import LakeIOManager
from taxi_assets.io_managers.slices import Store
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.partitions import month_of_run
from taxi_assets.stores.slices import Slice


def trips_checks(dataset: Dataset) -> Sequence[dg.AssetChecksDefinition]:
    """The checks of one dataset."""
    return [
        _rows_accounted_for(dataset),
        _rows_equal_clean("postgres", dataset),
        _rows_equal_clean("warehouse", dataset),
    ]


def _rows_accounted_for(dataset: Dataset) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["clean", dataset.table],
        description="Source rows = clean rows + quarantined rows. Nothing goes on to the tables before that holds.",
        blocking=True,
    )
    def rows_accounted_for(
        context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[LakeIOManager]
    ) -> dg.AssetCheckResult:
        month = month_of_run(context)
        store = lake.store()
        source = store.file_rows(f"raw/{dataset.table}", dataset.file_name(month))
        clean = store.count(Slice(f"clean/{dataset.table}", month))
        quarantined = store.count(Slice(f"quarantine/{dataset.table}", month))
        return dg.AssetCheckResult(
            passed=source == clean + quarantined,
            metadata={"source": source, "clean": clean, "quarantined": quarantined},
        )

    return rows_accounted_for


def _rows_equal_clean(store_key: str, dataset: Dataset) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=[store_key, dataset.table],
        name="rows_equal_clean",
        description="The month has as many rows in the table as in the lake.",
        required_resource_keys={store_key, "lake"},
    )
    def rows_equal_clean(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        month = month_of_run(context)
        lake: LakeIOManager = context.resources.lake
        tables: TableIOManager = getattr(context.resources, store_key)
        store: Store = tables.store()
        clean = lake.store().count(Slice(f"clean/{dataset.table}", month))
        loaded = store.count(Slice(dataset.table, month))
        return dg.AssetCheckResult(passed=loaded == clean, metadata={"clean": clean, "loaded": loaded})

    return rows_equal_clean
