"""Sensors that send alerts for failed runs and failed checks to a Slack-compatible webhook.

Dagster's run-failure sensors advance their cursor whether or not an alert was delivered. These advance only after
delivery, so no alert is lost while the webhook is down. Sending is `resources.webhook`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from taxi_assets.automation.event_log import WILL_RETRY, describe_run
from taxi_assets.automation.run_errors import RunIssue, failed_checks, failed_steps
from taxi_assets.errors import AlertUnavailable
from taxi_assets.resources import AlertResource

SECONDS_BETWEEN_TICKS = 30
_ALERTS_A_TICK = 20
_MAX_ALERTED = 100  # run ids: a run's record may be updated again after its alert

IssueFinder = Callable[[dg.DagsterInstance, dg.DagsterRun], list[RunIssue]]


@dataclass
class Cursor:
    """Position of an alert sensor: it evaluates runs updated after `after`, except those in `alerted`."""

    after: str
    alerted: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor that Dagster stored."""
        facts = json.loads(text)
        return cls(facts["after"], facts.get("told", []))

    @property
    def text(self) -> str:
        """The cursor as Dagster stores it, under the keys that stored cursors have."""
        return json.dumps({"after": self.after, "told": self.alerted})


def alert_sensors() -> list[dg.SensorDefinition]:
    """One sensor for failed runs, one for failed checks in successful runs; each sends one message a run."""
    return [
        _sensor(
            "run_failure_alert",
            "Sends an alert for every failed run: month, failed steps and checks, error, link.",
            [dg.DagsterRunStatus.FAILURE],
            _issues_of_failed_run,
        ),
        _sensor(
            "check_failure_alert",
            "Sends an alert for the failed checks of a successful run, one message a run.",
            [dg.DagsterRunStatus.SUCCESS],
            _failed_checks,
        ),
    ]


def _sensor(name: str, description: str, statuses: list[dg.DagsterRunStatus], find: IssueFinder) -> dg.SensorDefinition:
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
            return _result(Cursor(datetime.now(tz=UTC).isoformat()), "initialized: alerts cover failures from now on")
        cursor = Cursor.parse(context.cursor)
        wanted = dg.RunsFilter(statuses=statuses, updated_after=datetime.fromisoformat(cursor.after))
        records = context.instance.get_run_records(
            wanted, limit=_ALERTS_A_TICK, order_by="update_timestamp", ascending=True
        )
        sent = 0
        for record in records:
            run = record.dagster_run
            issues = [] if run.run_id in cursor.alerted else find(context.instance, run)
            if issues:
                try:
                    alerts.post(_text(run, issues, alerts.link(run.run_id)))
                except AlertUnavailable as error:
                    return _result(cursor, f"{error}; the remaining alerts are sent at the next tick")
                sent += 1
                cursor.alerted = [*cursor.alerted, run.run_id][-_MAX_ALERTED:]
            cursor.after = record.update_timestamp.astimezone(UTC).isoformat()
        return _result(cursor, f"{sent} alerts sent" if sent else "nothing failed")

    return alert


def _result(cursor: Cursor, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=cursor.text)


def _text(run: dg.DagsterRun, issues: list[RunIssue], link: str) -> str:
    worst = "ERROR" if any(one.severity is dg.AssetCheckSeverity.ERROR for one in issues) else "WARN"
    title = describe_run(run, [one.where for one in issues])
    lines = [f"{one.severity.value} {one.where}: {one.what.splitlines()[0]}" for one in issues]
    return "\n".join([f"*{worst} {title}*", *lines, f"<{link}|open the run>"])


def _issues_of_failed_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunIssue]:
    if run.tags.get(WILL_RETRY) == "true":
        return []  # its process died, and the daemon retries it
    kinds = dg.DagsterEventType
    events = _events(instance, run, kinds.STEP_FAILURE, kinds.RUN_FAILURE, kinds.ASSET_CHECK_EVALUATION)
    ends = [event.message or "" for event in events if event.event_type == kinds.RUN_FAILURE]
    found = [*failed_steps(events), *_of_checks(events)]
    failed = any(one.severity is dg.AssetCheckSeverity.ERROR for one in found)
    return found if failed else [RunIssue("run", ends[-1] if ends and ends[-1] else "failed"), *found]


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunIssue]:
    return _of_checks(_events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION))


def _of_checks(events: Sequence[dg.DagsterEvent]) -> list[RunIssue]:
    return failed_checks(events, dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN)


def _events(instance: dg.DagsterInstance, run: dg.DagsterRun, *kinds: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=set(kinds)) if entry.dagster_event]
