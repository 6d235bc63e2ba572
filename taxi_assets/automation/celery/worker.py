"""The worker's side: `celery -A taxi_assets.automation.celery.worker worker` takes runs from the broker.

A run executes in a process of its own, a child of the worker. Its message is acknowledged when it has ended.
"""

import logging
import time
from collections.abc import Mapping

import dagster as dg
from celery import Task
from celery.exceptions import Reject

from taxi_assets.automation.celery.app import TASK, run_app
from taxi_assets.automation.celery.lease import LeaseTaken, lease, records_place
from taxi_assets.automation.dagster_internals import capture_interrupts, execute_run_command
from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import celery_broker, child_environment
from taxi_assets.settings.fingerprint import differences, fingerprint

_SECONDS_BEFORE_GIVING_BACK = 10
_TO_BEGIN = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING)

logging.getLogger("alembic").setLevel(logging.WARNING)  # it says the same for every run
app = run_app(celery_broker())


@app.task(name=TASK, bind=True)
def execute_run(task: Task, run_id: str, records: str, stores: Mapping[str, str]) -> None:
    """Execute a run that has not begun; ignore a message of any other, and of one that was deleted.

    Args:
        task: Celery's task.
        run_id: the run's id.
        records: the database of Dagster's records where it was launched.
        stores: the fingerprint of the stores where it was launched.

    Raises:
        Reject: this worker cannot read the run from Dagster's database; the broker gives it to another, or here again.
    """
    worker = str(task.request.hostname)
    try:
        with dg.DagsterInstance.get() as instance, capture_interrupts():
            _require_same_records(instance, records)
            with lease(instance, run_id):
                _execute(instance, run_id, worker, stores)
    except LeaseTaken:
        return
    except Exception as error:
        time.sleep(_SECONDS_BEFORE_GIVING_BACK)
        raise Reject(error, requeue=True) from error


def _require_same_records(instance: dg.DagsterInstance, records: str) -> None:
    own = records_place(instance)
    if own != records:
        raise InvalidRequest(f"this worker's DAGSTER_HOME has its records in {own}, and the daemon in {records}")


def _execute(instance: dg.DagsterInstance, run_id: str, worker: str, stores: Mapping[str, str]) -> None:
    run = instance.get_run_by_id(run_id)  # as it is since this process has the lease
    if run is None or run.status not in _TO_BEGIN:
        _end_canceled(instance, run_id)
        return
    reason = _refusal(stores)
    if reason:
        instance.report_run_failed(run, f"Worker {worker} refuses the run: {reason}")
        return
    instance.report_engine_event(f"Worker {worker} has taken the run.", run)
    execute_run_command(instance, run_id)
    _end_canceled(instance, run_id)


def _end_canceled(instance: dg.DagsterInstance, run_id: str) -> None:
    """Record the end of a run that was canceled before it began, which Dagster ignores as one that is under way."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, "It was canceled before it began.")


def _refusal(stores: Mapping[str, str]) -> str:
    """Why this worker must not execute the run: it would load other stores, and report a success."""
    try:
        different = differences(fingerprint(child_environment()), stores)
    except InvalidRequest as error:
        return f"its settings are not valid: {error}"
    return (
        different
        and f"its stores are not those of the daemon that launched the run. {different}. Give both the same "
        "environment, and start the worker again"
    )
