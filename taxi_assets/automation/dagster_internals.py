"""Private names of Dagster 1.13 that this package uses, each with the reason; an upgrade of Dagster starts here.

Four more modules use private names. `instance_storage` subclasses the SQLite storages and `event_tables` reads their
tables; importing those loads SQLAlchemy and Alembic, and the definitions do without both. `cli.overlapping_steps`
replaces the loop of the in-process executor, whose modules are imported by the first run only. `io_managers.inputs`
lies on a lower floor and needs one class, in annotations only.

Asset backfills:
    `PartitionBackfill`, `PartitionsByAssetSelector`, `PartitionsSelector`, `PartitionRangeSelector`,
    `make_new_backfill_id`: Python has no public way to request a backfill.
    `BaseAssetGraph`: the type of the public `repository_def.asset_graph`.
    `BulkActionStatus`, `BulkActionsFilter`: the public `get_backfills` returns backfills with such a status, and takes
    such a filter.

Alerts:
    `InstigatorState`, `InstigatorTick`, `TickStatus`: no public call returns the ticks of a sensor or schedule.
    `FreshnessStateRecord`: no public call returns whether an asset violates its public `FreshnessPolicy`.

Jobs:
    `UnresolvedAssetJobDefinition`: the return type of the public `define_asset_job`.

Run launchers:
    `CheckRunHealthResult`, `LaunchRunContext`, `WorkerStatus`: the types of the public `DefaultRunLauncher`'s methods.
    `ConfigurableClassData`: what a launcher is made with from dagster.yaml.
    `DagsterUserCodeUnreachableError`: the only error of a launch after which the daemon keeps the run in its queue.
    `capture_interrupts`, `execute_run_command`: what a run's process does; public is only a command that does both.

Backfills:
    `prompt_backfills` replaces the function with the backfill daemon's loop, whose interval nothing sets.

Run retries:
    `missed_retries` sets the cursor of the daemon that retries runs, whose key is private.

Asset checks:
    `AssetCheckExecutionRecord`, `CheckStatus`, `PartitionKeyFilter`: results of checks by partition are in preview in
    1.13, and in the instance's event log storage only.

Instances:
    `InstanceRef`: the public `DagsterInstance.from_ref` takes one; only it accepts overrides of dagster.yaml.
    `RegisteredCodeLocationOrigin`, `RemoteRepositoryOrigin`: the UI lists a run under its job only by this origin.
    `has_sqlite_run_storage`: no public name identifies an instance's storage.
    `NO_OP_COMPUTE_LOGS`: dagster.yaml selects a compute log manager by its module.

Commands:
    `dev_command`: `dagster dev`, called without a second Python process.
"""

from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.freshness import FreshnessStateRecord
from dagster._core.definitions.selector import PartitionRangeSelector, PartitionsByAssetSelector, PartitionsSelector
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.instance import InstanceRef
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as CheckStatus
from dagster._core.utils import make_new_backfill_id
from dagster._serdes import ConfigurableClassData
from dagster._utils.interrupts import capture_interrupts

if TYPE_CHECKING:
    import click

__all__ = [
    "NO_OP_COMPUTE_LOGS",
    "AssetCheckExecutionRecord",
    "BaseAssetGraph",
    "BulkActionStatus",
    "BulkActionsFilter",
    "CheckRunHealthResult",
    "CheckStatus",
    "ConfigurableClassData",
    "DagsterUserCodeUnreachableError",
    "FreshnessStateRecord",
    "InstanceRef",
    "InstigatorState",
    "InstigatorTick",
    "LaunchRunContext",
    "PartitionBackfill",
    "PartitionKeyFilter",
    "PartitionRangeSelector",
    "PartitionsByAssetSelector",
    "PartitionsSelector",
    "RegisteredCodeLocationOrigin",
    "RemoteRepositoryOrigin",
    "TickStatus",
    "UnresolvedAssetJobDefinition",
    "WorkerStatus",
    "capture_interrupts",
    "dev_command",
    "execute_run_command",
    "has_sqlite_run_storage",
    "make_new_backfill_id",
]

NO_OP_COMPUTE_LOGS = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def has_sqlite_run_storage(instance: dg.DagsterInstance) -> bool:
    """Whether the instance keeps its runs in SQLite, so that every run of it is one of this machine."""
    from dagster._core.storage.runs import SqliteRunStorage

    return isinstance(instance.run_storage, SqliteRunStorage)


def dev_command() -> "click.Command":
    """The command `dagster dev`; its import takes a second."""
    from dagster._cli.dev import dev_command as command

    return command


def execute_run_command(instance: dg.DagsterInstance, run_id: str) -> None:
    """Execute the run in this process, as `dagster api execute_run` does; its events record how it ended."""
    from dagster._cli.api import _execute_run_command_body  # a second to import

    _execute_run_command_body(run_id, instance, lambda _event: None, set_exit_code_on_failure=False)
