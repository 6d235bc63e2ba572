"""Asset backfills asked for by code, as the UI asks for them.

The only module that knows inner parts of Dagster: 1.13 has no public way to ask for one from Python. Runs requested by
a schedule would do, but a schedule has one job and so one set of partitions, and the datasets have one each. Backfills
of a job instead of assets lose queued runs when a code location restarts: dagster-io/dagster#33059.
"""

import time
from collections.abc import Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.selector import PartitionRangeSelector, PartitionsByAssetSelector, PartitionsSelector
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.utils import make_new_backfill_id

from taxi_assets.catalog import Dataset
from taxi_assets.io_managers.load_log import REQUESTED_BY
from taxi_assets.month import Month


def request_backfill(
    instance: dg.DagsterInstance, assets: BaseAssetGraph[Any], dataset: Dataset, months: Sequence[Month]
) -> None:
    """Ask the daemon for a run of each month, with all assets of the dataset."""
    ranges = [PartitionRangeSelector(start=str(month), end=str(month)) for month in months]
    backfill = PartitionBackfill.from_partitions_by_assets(
        backfill_id=make_new_backfill_id(),
        asset_graph=assets,
        backfill_timestamp=time.time(),
        tags={REQUESTED_BY: "catch_up_schedule"},
        dynamic_partitions_store=instance,
        partitions_by_assets=[
            PartitionsByAssetSelector(asset_key=key, partitions=PartitionsSelector(ranges))
            for key in sorted(assets.asset_keys_for_group(dataset.name))
        ],
        title=f"catch up: {dataset.name} {months[0]} to {months[-1]}",
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
