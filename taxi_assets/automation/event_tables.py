"""SQL on the tables of Dagster's event log, for housekeeping: which runs hold the newest events, and their removal.

Dagster deletes the events of a run as a whole, and with them the only record that a partition was ever materialized
(dagster-io/dagster#33785). It has no call that finds the runs without such a record, so this module reads its tables,
which SQLite and Postgres have alike. They are private to Dagster; see also `dagster_internals`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sql
from dagster._core.definitions.data_version import INPUT_EVENT_POINTER_TAG_PREFIX
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable

from taxi_assets.errors import InvalidRequest

_EVENTS, _CHECKS = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
_KINDS = dg.DagsterEventType
_OF_ASSETS = [
    kind.value
    for kind in (
        _KINDS.ASSET_MATERIALIZATION,
        _KINDS.ASSET_OBSERVATION,
        _KINDS.ASSET_MATERIALIZATION_PLANNED,  # without a materialization after it, the partition failed
        _KINDS.ASSET_FAILED_TO_MATERIALIZE,
    )
]
_EVALUATED = ["SUCCEEDED", "FAILED"]  # execution statuses of a check; the others are those of a run under way
# In a materialization's tags: the event of the input that it was made from. Staleness compares its data version.
_INPUT = re.compile(rf'"{re.escape(INPUT_EVENT_POINTER_TAG_PREFIX)}/[^"]*": ?"(\d+)"')
_IDS_A_QUERY = 500


class EventTables:
    """The event log of an instance.

    Args:
        instance: the Dagster instance.

    Raises:
        InvalidRequest: the instance keeps its events elsewhere than in SQL tables.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        storage = instance.event_log_storage
        if not isinstance(storage, SqlEventLogStorage):
            raise InvalidRequest(
                f"{type(storage).__name__} keeps events in a way that is not known here; old runs can be pruned where "
                "dagster.yaml keeps them in SQLite or Postgres"
            )
        self._storage = storage

    def runs_with_newest_events(self) -> set[str]:
        """Ids of the runs that hold the newest event of a kind, or result of a check, of any asset and partition.

        The events of the inputs that the newest materializations were made from count as well.
        """
        with self._storage.index_connection() as connection:
            kinds = (_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
            newest = (
                sql.select(sql.func.max(_EVENTS.id)).where(_EVENTS.dagster_event_type.in_(_OF_ASSETS)).group_by(*kinds)
            )
            runs = _run_ids(connection, sql.select(_EVENTS.run_id).distinct().where(_EVENTS.id.in_(newest)))
            for ids in _batches(_inputs_of_newest_materializations(connection)):
                runs |= _run_ids(connection, sql.select(_EVENTS.run_id).distinct().where(_EVENTS.id.in_(ids)))
            for statuses in ([], [_CHECKS.execution_status.in_(_EVALUATED)]):
                checks = (_CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition)
                newest = sql.select(sql.func.max(_CHECKS.id)).where(*statuses).group_by(*checks)
                runs |= _run_ids(connection, sql.select(_CHECKS.run_id).distinct().where(_CHECKS.id.in_(newest)))
        return runs

    def delete(self, run_ids: Sequence[str]) -> None:
        """Delete the events of the runs, and the results of their checks, which Dagster itself leaves behind."""
        with self._storage.index_connection() as connection:
            for run_id in run_ids:
                self._storage.delete_events_for_run(connection, run_id)
            connection.execute(sql.delete(AssetCheckExecutionsTable).where(_CHECKS.run_id.in_(run_ids)))

    def files(self, run_id: str) -> list[Path]:
        """The files that hold the run's events and nothing else; SQLite has one for each run, and its journal."""
        if not isinstance(self._storage, SqliteEventLogStorage):
            return []
        path = self._storage.path_for_shard(run_id)
        return [file for file in (Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")) if file.exists()]


def _inputs_of_newest_materializations(connection: Any) -> set[int]:
    """Ids of events; one asset at a time, since an event may have 10 kB."""
    inputs: set[int] = set()
    is_materialization = _EVENTS.dagster_event_type == _KINDS.ASSET_MATERIALIZATION.value
    for (key,) in connection.execute(sql.select(_EVENTS.asset_key).distinct().where(is_materialization)).fetchall():
        newest = sql.select(sql.func.max(_EVENTS.id)).where(is_materialization, _EVENTS.asset_key == key)
        texts = sql.select(_EVENTS.event).where(_EVENTS.id.in_(newest.group_by(_EVENTS.partition)))
        inputs |= {int(number) for (text,) in connection.execute(texts) for number in _INPUT.findall(text)}
    return inputs


def _run_ids(connection: Any, query: Any) -> set[str]:
    return {run_id for (run_id,) in connection.execute(query) if run_id}


def _batches(ids: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(sorted(ids))
    while batch := list(islice(remaining, _IDS_A_QUERY)):
        yield batch
