"""Sensors that tell a Slack-compatible webhook of failed runs and failed checks.

Dagster's own run-failure sensors move on whether or not an alert got through. These keep their place until it did, so
that a webhook that is down loses none.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import dagster as dg

from taxi_assets.automation.event_log import WILL_RETRY, subject_of
from taxi_assets.automation.run_errors import Trouble, failed_checks, failed_steps
from taxi_assets.errors import AlertUnavailable
from taxi_assets.resources import AlertResource

SECONDS_BETWEEN_TICKS = 30
_ALERTS_A_TICK = 20
_REMEMBERED = 100  # runs, since a run's record may be touched again after it was told of

Finding = Callable[[dg.DagsterInstance, dg.DagsterRun], list[Trouble]]


@dataclass
class Cursor:
    """How far a sensor is: runs that changed after this moment are looked at, but for those that it told of."""

    after: str
    told: list[str] = field(default_factory=list)


def alert_sensors() -> list[dg.SensorDefinition]:
    """One for runs that failed, one for checks that failed in runs that went on all the same: a message a run."""
    return [
        _sensor(
            "run_failure_alert",
            "Tells the webhook of every failed run: which month, which steps and checks, the error, a link.",
            [dg.DagsterRunStatus.FAILURE],
            _why_it_failed,
        ),
        _sensor(
            "check_failure_alert",
            "Tells the webhook of the checks that failed in a run that went on, all of a run in one message.",
            [dg.DagsterRunStatus.SUCCESS],
            _failed_checks,
        ),
    ]


def _sensor(name: str, description: str, statuses: list[dg.DagsterRunStatus], find: Finding) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        description=f"{description} Does nothing without TAXI_ALERT_WEBHOOK.",
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alert(context: dg.SensorEvaluationContext, alerts: AlertResource) -> dg.SensorResult | dg.SkipReason:
        if not alerts.webhook:
            return dg.SkipReason("TAXI_ALERT_WEBHOOK is not set")
        if context.cursor is None:
            return _result(Cursor(datetime.now(tz=UTC).isoformat()), "alerts begin with what fails from now on")
        cursor = Cursor(**json.loads(context.cursor))
        wanted = dg.RunsFilter(statuses=statuses, updated_after=datetime.fromisoformat(cursor.after))
        records = context.instance.get_run_records(
            wanted, limit=_ALERTS_A_TICK, order_by="update_timestamp", ascending=True
        )
        sent = 0
        for record in records:
            run = record.dagster_run
            troubles = [] if run.run_id in cursor.told else find(context.instance, run)
            if troubles:
                try:
                    alerts.post(_text(run, troubles, alerts.link(run.run_id)))
                except AlertUnavailable as error:
                    return _result(cursor, f"{error}; what is left is told at the next tick")
                sent += 1
                cursor.told = [*cursor.told, run.run_id][-_REMEMBERED:]
            cursor.after = record.update_timestamp.astimezone(UTC).isoformat()
        return _result(cursor, f"{sent} alerts sent" if sent else "nothing failed")

    return alert


def _result(cursor: Cursor, told: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=told, cursor=json.dumps(asdict(cursor)))


def _text(run: dg.DagsterRun, troubles: list[Trouble], link: str) -> str:
    worst = "ERROR" if any(one.severity is dg.AssetCheckSeverity.ERROR for one in troubles) else "WARN"
    subject = subject_of(run, [one.where for one in troubles])
    lines = [f"{one.severity.value} {one.where}: {one.what.splitlines()[0]}" for one in troubles]
    return "\n".join([f"*{worst} {subject}*", *lines, f"<{link}|open the run>"])


def _why_it_failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[Trouble]:
    if run.tags.get(WILL_RETRY) == "true":
        return []  # its process died, and Dagster starts it again by itself
    kinds = dg.DagsterEventType
    events = _events(instance, run, kinds.STEP_FAILURE, kinds.RUN_FAILURE, kinds.ASSET_CHECK_EVALUATION)
    ends = [event.message or "" for event in events if event.event_type == kinds.RUN_FAILURE]
    found = [*failed_steps(events), *_of_checks(events)]
    failed = any(one.severity is dg.AssetCheckSeverity.ERROR for one in found)
    return found if failed else [Trouble("run", ends[-1] if ends and ends[-1] else "failed"), *found]


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[Trouble]:
    return _of_checks(_events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION))


def _of_checks(events: Sequence[dg.DagsterEvent]) -> list[Trouble]:
    return failed_checks(events, dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN)


def _events(instance: dg.DagsterInstance, run: dg.DagsterRun, *kinds: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=set(kinds)) if entry.dagster_event]
