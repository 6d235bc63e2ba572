"""Requests asset backfills from Python, as the UI's "Materialize" dialog does.

Dagster 1.13 has no public call for it, so this module uses `dagster_internals`. Run requests of a schedule are no
substitute: a schedule targets one job with one partitions definition, and each dataset has its own. Neither are job
backfills: they lose queued runs when a code location restarts (dagster-io/dagster#33059).
"""

import time
from collections.abc import Sequence
from typing import Any

import dagster as dg

from taxi_assets.automation.dagster_internals import (
    BaseAssetGraph,
    PartitionBackfill,
    PartitionRangeSelector,
    PartitionsByAssetSelector,
    PartitionsSelector,
    make_new_backfill_id,
)
from taxi_assets.catalog import Dataset
from taxi_assets.io_managers.load_log import REQUESTED_BY
from taxi_assets.month import Month


def request_backfill(
    instance: dg.DagsterInstance, assets: BaseAssetGraph[Any], dataset: Dataset, months: Sequence[Month]
) -> None:
    """Request a backfill of all assets of the dataset: the daemon launches one run for each month."""
    ranges = [PartitionRangeSelector(start=str(month), end=str(month)) for month in months]
    backfill = PartitionBackfill.from_partitions_by_assets(
        backfill_id=make_new_backfill_id(),
        asset_graph=assets,
        backfill_timestamp=time.time(),
        tags={REQUESTED_BY: "catch_up_schedule"},
        dynamic_partitions_store=instance,
        partitions_by_assets=[
            PartitionsByAssetSelector(asset_key=key, partitions=PartitionsSelector(ranges))
            for key in sorted(assets.asset_keys_for_group(dataset.name, require_materializable=True))
        ],
        title=f"catch up: {dataset.name} {months[0]} to {months[-1]}",
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
