"""Sensor `missed_retries`: has the daemon examine again the failure of a killed run that it did not retry.

Dagster 1.13 stores the event of a failure first, and the run's status and tags after it. A daemon that reads the event
in between takes the run for one that goes on, and passes it over for good (dagster-io/dagster#33741 describes the
symptom): a run whose process was killed stays failed although it says that it will be retried.
"""

import time
from datetime import UTC, datetime

import dagster as dg

from taxi_assets.automation.event_log import BACKFILL, WILL_RETRY

SECONDS_BETWEEN_TICKS = 60
SETTLED = 30  # seconds after its end from which on a run was passed over: twice the pause of `taxi dev`'s daemon
_GIVEN_UP = 900  # seconds after which the run was examined a dozen times, and cannot be retried
_RETRIED_BY = "dagster/auto_retry_run_id"  # on a run that was retried
_NEWEST = 200  # failures
_POSITION = f"EVENT_LOG_CONSUMER_CURSOR-{dg.DagsterEventType.RUN_FAILURE.value}"  # of the daemon among the failures


@dg.sensor(
    name="missed_retries",
    description="Has the daemon retry runs whose process was killed and whose retry it missed.",
    minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def missed_retries_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Set the daemon back to before the first failure that it passed over; what it did retry, it does not again."""
    missed = _missed_runs(context.instance)
    if not missed:
        return dg.SkipReason("no retry was missed")
    changes = context.instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=_NEWEST)
    first = min((record.storage_id for record in changes.records if record.event_log_entry.run_id in missed), default=0)
    if first:
        context.instance.daemon_cursor_storage.set_cursor_values({_POSITION: str(first - 1)})
    return dg.SkipReason(f"the daemon examines again: {', '.join(sorted(missed))}")


def _missed_runs(instance: dg.DagsterInstance) -> set[str]:
    """The ids of failed runs that have no retry yet, though they are to have one."""
    now = time.time()
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY: "true"},
        updated_after=datetime.fromtimestamp(now - _GIVEN_UP, tz=UTC),
    )
    return {
        record.dagster_run.run_id
        for record in instance.get_run_records(failed)
        if _RETRIED_BY not in record.dagster_run.tags
        and record.end_time is not None
        and now - _GIVEN_UP < record.end_time <= now - SETTLED
        and not _is_of_ended_backfill(instance, record.dagster_run)
    }


def _is_of_ended_backfill(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run belongs to a backfill that has ended or was deleted: Dagster does not retry those."""
    if BACKFILL not in run.tags:
        return False
    from taxi_assets.automation.backfills import UNDER_WAY

    backfill = instance.get_backfill(run.tags[BACKFILL])
    return backfill is None or backfill.status not in UNDER_WAY
