"""Requests asset backfills from Python, as the UI's "Materialize" dialog does, and finds those under way.

Dagster 1.13 has no public call for it, so this module uses `dagster_internals`. Run requests of a schedule are no
substitute: a schedule targets one job with one partitions definition, and each dataset has its own. Neither are job
backfills: they lose queued runs when a code location restarts (dagster-io/dagster#33059).
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from taxi_assets.automation.dagster_internals import (
    BaseAssetGraph,
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
    PartitionRangeSelector,
    PartitionsByAssetSelector,
    PartitionsSelector,
    make_new_backfill_id,
)
from taxi_assets.catalog import Dataset, Layer
from taxi_assets.io_managers.load_log import REQUESTED_BY
from taxi_assets.month import Month

UNDER_WAY = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)
_DAEMON = "BACKFILL"
_SECONDS_BETWEEN_HEARTBEATS = 120  # the daemon writes one every 30 seconds, later while a code location reloads


def request_backfill(
    instance: dg.DagsterInstance,
    assets: BaseAssetGraph[Any],
    dataset: Dataset,
    months: Sequence[Month],
    *,
    requested_by: str,
    title: str,
    run_config: Mapping[str, Any] | None = None,
) -> str:
    """Request a backfill of all assets of the dataset, and return its id: the daemon launches one run for each month.

    Args:
        instance: the instance of the daemon.
        assets: the asset graph.
        dataset: of the months.
        months: at least one.
        requested_by: becomes a tag of the runs, and who started them in the audit tables.
        title: of the backfill in the UI.
        run_config: of each run.
    """
    ranges = [PartitionRangeSelector(start=str(month), end=str(month)) for month in months]
    backfill_id = make_new_backfill_id()
    backfill = PartitionBackfill.from_partitions_by_assets(
        backfill_id=backfill_id,
        asset_graph=assets,
        backfill_timestamp=time.time(),
        tags={REQUESTED_BY: requested_by},
        dynamic_partitions_store=instance,
        partitions_by_assets=[
            PartitionsByAssetSelector(asset_key=key, partitions=PartitionsSelector(ranges))
            for key in sorted(assets.asset_keys_for_group(dataset.name, require_materializable=True))
        ],
        title=title,
        description=None,
        run_config=run_config,
    )
    instance.add_backfill(backfill)
    return backfill_id


def backfills_under_way(instance: dg.DagsterInstance) -> Sequence[PartitionBackfill]:
    """The asset backfills that the daemon has not finished."""
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=UNDER_WAY))
    return [backfill for backfill in found if backfill.is_asset_backfill]


def months_left(backfill: PartitionBackfill, assets: BaseAssetGraph[Any], dataset: Dataset) -> set[Month]:
    """The dataset's months that the backfill has yet to clean, their runs launched or not."""
    key = dg.AssetKey(dataset.key(Layer.CLEAN))
    try:
        data = backfill.get_asset_backfill_data(assets)
    except dg.DagsterError:  # of assets that the definitions do not have any more, so that it cannot go on either
        return set()
    target, *done = (
        set(subset.partitions_subsets_by_asset_key[key].get_partition_keys())
        if key in subset.partitions_subsets_by_asset_key
        else set()
        for subset in (data.target_subset, data.materialized_subset, data.failed_and_downstream_subset)
    )
    return {Month.parse(one) for one in target.difference(*done)}


def is_daemon_running(instance: dg.DagsterInstance) -> bool:
    """Whether the daemon that launches the runs of backfills has reported lately."""
    heartbeat = instance.get_daemon_heartbeats().get(_DAEMON)
    return heartbeat is not None and time.time() - heartbeat.timestamp < _SECONDS_BETWEEN_HEARTBEATS
