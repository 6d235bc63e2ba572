"""Prunes old runs of the Dagster instance, and keeps those that the state of a partition rests on.

A run is kept while it holds the newest materialization, observation, failed attempt or check result of any partition:
what the UI, the sensors and `taxi status` show is the same before and after.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

from taxi_assets.automation.backfills import UNDER_WAY
from taxi_assets.automation.dagster_internals import BulkActionsFilter
from taxi_assets.automation.event_log import BACKFILL, ROOT_RUN
from taxi_assets.automation.event_tables import EventTables

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_BATCH = 100  # runs whose events are deleted in one transaction, which others wait for
_FAMILY = ("dagster/parent_run_id", ROOT_RUN)  # of a run that was made again: the UI fails without them


@dataclass
class Pruned:
    """What was pruned.

    Attributes:
        runs: deleted runs.
        kept: old runs that were kept, as far as they were examined.
        size: bytes of deleted files: what runs printed, and the events that SQLite keeps in a file for each run.
        is_complete: whether every old run was examined.
    """

    runs: int = 0
    kept: int = 0
    size: int = 0
    is_complete: bool = True


def prune_runs(instance: dg.DagsterInstance, before: datetime, limit: int) -> Pruned:
    """Delete runs that ended before that moment with their events and logs, oldest first.

    A killed process leaves no state behind that the next call does not clear.

    Args:
        instance: the Dagster instance.
        before: later runs are left alone.
        limit: runs that are deleted at most.

    Raises:
        InvalidRequest: the instance keeps its events elsewhere than in SQL tables.
    """
    tables, pruned = EventTables(instance), Pruned()
    needed = tables.runs_with_newest_events()
    backfills = _backfills_in_progress(instance)
    for runs in _old_runs(instance, before):
        parents = _parents(instance, runs)
        unneeded = [
            run.run_id for run in runs if run.run_id not in needed | parents and run.tags.get(BACKFILL) not in backfills
        ]
        deleted = unneeded[: limit - pruned.runs]
        pruned.size += _delete(instance, tables, deleted)
        pruned.runs += len(deleted)
        pruned.kept += len(runs) - len(unneeded)
        if len(deleted) < len(unneeded):
            pruned.is_complete = False
            break
    return pruned


def _old_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[Sequence[dg.DagsterRun]]:
    """The runs that ended before that moment, oldest first, in batches; runs may be deleted between two of them."""
    old = dg.RunsFilter(statuses=_ENDED, created_before=before, updated_before=before)
    ids = instance.run_storage.get_run_ids(old)[::-1]
    for start in range(0, len(ids), _BATCH):
        batch = list(ids[start : start + _BATCH])
        found = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=batch))}
        yield [found[run_id] for run_id in batch if run_id in found]


def _parents(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]) -> set[str]:
    """Those of the runs that others were made from again."""
    ids = [run.run_id for run in runs]
    children = [child for tag in _FAMILY for child in instance.get_runs(dg.RunsFilter(tags={tag: ids}))]
    return {child.tags[tag] for child in children for tag in _FAMILY if tag in child.tags}


def _backfills_in_progress(instance: dg.DagsterInstance) -> set[str]:
    return {one.backfill_id for one in instance.get_backfills(filters=BulkActionsFilter(statuses=UNDER_WAY))}


def _delete(instance: dg.DagsterInstance, tables: EventTables, run_ids: Sequence[str]) -> int:
    """Delete the runs; the bytes of the files that are gone. The run itself goes last: it is how the rest is found."""
    if not run_ids:
        return 0
    tables.delete(run_ids)
    size = 0
    for run_id in run_ids:
        folder = Path(instance.storage_directory()) / run_id
        files = [*tables.files(run_id), *(path for path in folder.rglob("*") if path.is_file())]
        size += sum(file.stat().st_size for file in files)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        shutil.rmtree(folder, ignore_errors=True)
        for file in tables.files(run_id):
            with suppress(FileNotFoundError):
                file.unlink()
        instance.run_storage.delete_run(run_id)
    return size
