"""Run launcher that has Celery workers on any number of machines execute the runs; deploy/celery names it.

dagster-celery's own (0.29) leaves a run whose machine is gone "started" until `max_runtime_seconds`
(dagster-io/dagster#33493), lets a termination fail and be retried, and raises KeyError for runs that others launched.
"""

import time
from typing import Any

import dagster as dg
import dagster_celery.launcher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG
from kombu.exceptions import OperationalError

from taxi_assets.automation.celery.app import OPTIONS, QUEUE, TASK, require_rabbitmq
from taxi_assets.automation.celery.lease import holder, records_place
from taxi_assets.automation.dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClassData,
    DagsterUserCodeUnreachableError,
    LaunchRunContext,
    WorkerStatus,
)
from taxi_assets.automation.launcher import local_process_health
from taxi_assets.automation.run_worker import HOST
from taxi_assets.jobs import PRIORITY
from taxi_assets.resources.pools import ensure_pools_of
from taxi_assets.settings import child_environment
from taxi_assets.settings.fingerprint import fingerprint

PATIENCE = 15  # seconds for which a run's lease has to be free before the run is given up; a restart of Postgres is not
_MIDDLE = 5  # of the broker's ten priorities: that of a run without a tag
_CONFIRMED_WITHIN = 10  # seconds


class CeleryRunLauncher(dagster_celery.launcher.CeleryRunLauncher):
    """Sends runs to RabbitMQ, and knows by their leases which of them are at work.

    Args:
        broker: `amqp://user:password@host:5672/vhost`.
        inst_data: Dagster's record of this configuration.
    """

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(default_queue=QUEUE, broker=require_rabbitmq(broker), inst_data=inst_data, **OPTIONS)
        self._free_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> Any:
        """The broker's URL."""
        return {"broker": dg.Field(dg.StringSource, description="amqp://user:password@host:5672/vhost")}

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send the run to the broker, with the fingerprint of this process's stores.

        Raises:
            DagsterUserCodeUnreachableError: the broker does not answer; Dagster puts the run back into the queue.
        """
        run = context.dagster_run
        ensure_pools_of(self._instance, run)
        message = {
            "run_id": run.run_id,
            "records": records_place(self._instance),
            "stores": fingerprint(child_environment()),
        }
        task = self.celery.signature(TASK, kwargs=message)
        try:
            task.apply_async(
                task_id=run.run_id,
                queue=run.tags.get(DAGSTER_CELERY_QUEUE_TAG, QUEUE),
                priority=_priority(run),
                confirm_timeout=_CONFIRMED_WITHIN,
            )
        except (OperationalError, OSError) as error:
            # Dagster's own event, which follows, blames the code server.
            self._instance.report_engine_event(f"The broker does not answer, so the run stays queued: {error}", run)
            raise DagsterUserCodeUnreachableError(f"the broker of the runs does not answer: {error}") from error
        self._instance.report_engine_event("The broker has the run; it begins when a worker takes it.", run)

    def terminate(self, run_id: str) -> bool:
        """Have the run canceled: by its process if it has one, else at once."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or HOST in run.tags:
            return False
        if run.status != dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceling(run)
        if holder(self._instance, run_id) is None:
            self._instance.report_run_canceled(run, "No process was at work on it.")
        return True

    @property
    def supports_resume_run(self) -> bool:
        """False: a lost run is made again under another id, which the audit tables distinguish."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a process holds the run's lease, or did within the last 15 seconds."""
        if HOST in run.tags:  # of `taxi run`
            return local_process_health(self._instance, run)
        if holder(self._instance, run.run_id) is not None:
            self._free_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        free_for = time.monotonic() - self._free_since.setdefault(run.run_id, time.monotonic())
        if free_for < PATIENCE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"no process holds its lease for {free_for:.0f} s")
        del self._free_since[run.run_id]
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            f"its process was killed, or its machine is gone or cut off: its lease is free for {free_for:.0f} s",
        )

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """The machine that the run is on."""
        return f"its lease is held from {holder(self._instance, run.run_id) or 'nowhere'}"


def _priority(run: dg.DagsterRun) -> int:
    """The broker's priority, 0 to 10, so that a run overtakes in the broker whom it overtakes in Dagster's queue."""
    try:
        wanted = int(run.tags.get(PRIORITY, "0"))
    except ValueError:  # which Dagster's queue ignores as well
        wanted = 0
    return min(max(_MIDDLE + wanted, 0), 2 * _MIDDLE)
