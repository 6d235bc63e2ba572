"""Materializations and runs of one dataset's months in the Dagster instance: which are stale, failed or in progress.

One query per asset returns the order of the materializations. Only where an asset is older than its upstream asset, or
a run failed, are the materializations themselves read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from taxi_assets.automation.event_log import (
    IN_PROGRESS,
    newest_materializations,
    targets_dataset,
)
from taxi_assets.catalog import TRIPS_IN, Dataset, Layer, Store
from taxi_assets.cli.status.staleness import RecordedVersions
from taxi_assets.io_managers.load_log import REQUESTED_BY
from taxi_assets.jobs import sensor_name
from taxi_assets.month import Month
from taxi_assets.partitions import PARTITION_TAG

SOURCE_REPLACED = "source replaced"
RULES_DIFFER = "rules differ"
_UNSETTLED = (*IN_PROGRESS, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class _Made:
    """One materialization: its run, the source file's SHA-256, and the rows that each rule rejected."""

    run_id: str
    sha256: object
    rejected: object


class History:
    """The materializations and runs of one dataset's months.

    Args:
        instance: the Dagster instance.
        dataset: of the months.
        runs: of any dataset, newest first.

    Attributes:
        recorded: what the months were cleaned by.
    """

    def __init__(self, instance: dg.DagsterInstance, dataset: Dataset, runs: Iterable[dg.DagsterRun]) -> None:
        self._dataset = dataset
        self.recorded = RecordedVersions(instance, dataset)
        self._runs = _newest_runs(dataset, runs)
        self._ids = newest_materializations(instance, dataset)
        inspected = {key for key in self._ids[Layer.RAW] if self._is_out_of_line(key)}
        inspected |= {str(month) for (_, month), run in self._runs.items() if run.status != dg.DagsterRunStatus.SUCCESS}
        self._made = {layer: _made(instance, dataset, layer, ids, inspected) for layer, ids in self._ids.items()}

    @property
    def cleaned(self) -> set[Month]:
        """The months whose clean partition was ever materialized."""
        return {Month.parse(key) for key in self._ids[Layer.CLEAN]}

    @property
    def in_progress(self) -> set[Month]:
        """The months with a run that is queued, starting, started or canceling."""
        return {month for (_, month), run in self._runs.items() if run.status in IN_PROGRESS}

    @property
    def failed_months(self) -> set[Month]:
        """The months whose newest run failed in at least one store."""
        return {month for store, month in self._runs if self.failed(store, month)}

    def failed(self, store: str, month: Month) -> bool:
        """Whether the newest run that was to load the month there failed before it loaded it."""
        run = self._runs.get((store, month))
        return run is not None and run.status == dg.DagsterRunStatus.FAILURE and not self._is_made_by(run, store, month)

    def why_stale(self, store: str, month: Month) -> tuple[str, ...]:
        """Why the store's month is not what would be loaded now; empty where it is.

        `source replaced`: it was made from another file than the newest known one; a file that was fetched again with
        the same bytes replaces nothing. `rules differ`: the lake's month was cleaned by other rules. `rules changed`,
        `columns changed`, `format changed`: it was cleaned by an earlier version of the catalogue. A store without
        materializations in the instance counts as current.
        """
        key, run = str(month), self._runs.get((store, month))
        layer = TRIPS_IN[Store(store)]
        if key not in self._ids[layer]:
            return ()
        if run is not None and run.status in _UNSETTLED and run.tags.get(REQUESTED_BY) == sensor_name(self._dataset):
            return () if self._is_made_by(run, store, month) else (SOURCE_REPLACED,)
        changes = self.recorded.changes(store, month)
        if not self._is_out_of_line(key):
            return changes
        if self._has_other_bytes(layer, key):
            return (SOURCE_REPLACED, *changes)
        return changes or ((RULES_DIFFER,) if self._is_cleaned_otherwise(layer, key) else ())

    def _is_out_of_line(self, key: str) -> bool:
        """Whether an asset's materialization is older than that of its upstream asset."""
        raw, clean = self._ids[Layer.RAW].get(key, 0), self._ids[Layer.CLEAN].get(key, 0)
        tables = [self._ids[layer][key] for layer in (Layer.POSTGRES, Layer.WAREHOUSE) if key in self._ids[layer]]
        return clean < raw or any(table < clean for table in tables)

    def _has_other_bytes(self, layer: Layer, key: str) -> bool:
        raw, there = (self._made[one].get(key) for one in (Layer.RAW, layer))
        return there is None or (raw is not None and raw.sha256 != there.sha256)

    def _is_cleaned_otherwise(self, layer: Layer, key: str) -> bool:
        clean, there = (self._made[one].get(key) for one in (Layer.CLEAN, layer))
        return clean is not None and there is not None and clean.rejected != there.rejected

    def _is_made_by(self, run: dg.DagsterRun, store: str, month: Month) -> bool:
        made = self._made[TRIPS_IN[Store(store)]].get(str(month))
        return made is not None and made.run_id == run.run_id


def _newest_runs(dataset: Dataset, runs: Iterable[dg.DagsterRun]) -> Mapping[tuple[str, Month], dg.DagsterRun]:
    """Store and month -> the newest run that was to load it."""
    newest: dict[tuple[str, Month], dg.DagsterRun] = {}
    for run in runs:
        if targets_dataset(run, dataset):
            month = Month.parse(run.tags[PARTITION_TAG])
            for store, layer in TRIPS_IN.items():
                if not run.asset_selection or dg.AssetKey(dataset.key(layer)) in run.asset_selection:
                    newest.setdefault((store, month), run)
    return newest


def _made(
    instance: dg.DagsterInstance, dataset: Dataset, layer: Layer, ids: Mapping[str, int], keys: Iterable[str]
) -> dict[str, _Made]:
    wanted: Sequence[int] = [ids[key] for key in keys if key in ids]
    if not wanted:
        return {}
    asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(dataset.key(layer)), storage_ids=wanted)
    made = {}
    for record in instance.fetch_materializations(asked, limit=len(wanted)).records:
        facts = record.asset_materialization.metadata if record.asset_materialization else {}
        values = {name: fact.value for name, fact in facts.items()}
        rejected = values.get("taxi/rejected_by_rule")
        made[record.partition_key or ""] = _Made(record.run_id, values.get("taxi/source_sha256"), rejected)
    return made
