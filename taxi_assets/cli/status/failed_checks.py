"""Months whose newest result of a blocking check failed, by store, from the records of the Dagster instance.

One query for each check, however many months there are; a second one only for checks that ever failed.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from taxi_assets.automation.dagster_internals import AssetCheckExecutionRecord, CheckStatus, PartitionKeyFilter
from taxi_assets.catalog import TRIPS_IN, Dataset
from taxi_assets.checks import BLOCKING_CHECKS
from taxi_assets.month import Month

FailedChecks = Mapping[tuple[Month, str], Sequence[str]]
"""Month and store -> names of the checks that failed."""

_COMPLETED = {CheckStatus.SUCCEEDED, CheckStatus.FAILED}
_ALL = 1_000_000  # rows; only failed ones are read


def failed_checks(instance: dg.DagsterInstance, dataset: Dataset) -> FailedChecks:
    """The dataset's months that a blocking check found wrong, and that were not materialized or checked since.

    A run that planned the check and ended before it leaves the older result in force. Results without a month, from
    before checks had partitions, are ignored.
    """
    found: dict[tuple[Month, str], list[str]] = {}
    for store, names in BLOCKING_CHECKS.items():
        for name in names:
            key = dg.AssetCheckKey(dg.AssetKey(dataset.key(TRIPS_IN[store])), name)
            for partition in _failed_partitions(instance, key):
                found.setdefault((Month.parse(partition), store.value), []).append(name)
    return found


def _failed_partitions(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Iterator[str]:
    storage = instance.event_log_storage
    failures = storage.get_asset_check_execution_history(key, limit=_ALL, status={CheckStatus.FAILED})
    newest_failures = {record.partition: record for record in reversed(failures) if record.partition is not None}
    if not newest_failures:
        return
    for newest in storage.get_asset_check_partition_info([key], partition_keys=list(newest_failures)):
        partition = newest.partition_key or ""
        failure = newest_failures[partition]
        if newest.latest_execution_status == CheckStatus.PLANNED:
            [completed] = storage.get_asset_check_execution_history(
                key, limit=1, status=_COMPLETED, partition_filter=PartitionKeyFilter(key=partition)
            )
            is_newest = completed.id == failure.id
        else:
            is_newest = newest.latest_execution_status == CheckStatus.FAILED
        if is_newest and _checked_version(failure) == newest.latest_materialization_storage_id:
            yield partition


def _checked_version(record: AssetCheckExecutionRecord) -> int | None:
    """The storage id of the materialization that the check evaluated."""
    target = record.evaluation.target_materialization_data if record.evaluation else None
    return target.storage_id if target else None
