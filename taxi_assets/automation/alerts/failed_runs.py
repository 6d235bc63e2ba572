"""Alerts for failed runs, and for failed checks of successful runs: one message a run.

The failed runs of a backfill are one message when it has ended (`failed_backfills`); only the first of them is sent at
once, so that a cause that all months share is known while the backfill goes on.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from taxi_assets.automation.alerts.delivery import ALERTS_A_TICK, Examined, alert_sensor
from taxi_assets.automation.event_log import BACKFILL, WILL_RETRY, describe_run
from taxi_assets.automation.run_errors import RunIssue, failed_checks, failed_steps
from taxi_assets.resources import AlertResource

_MAX_ALERTED = 100  # run ids: a run's record may be updated again after its alert

IssueFinder = Callable[[dg.DagsterInstance, dg.DagsterRun], list[RunIssue]]


@dataclass
class Cursor:
    """Position among the runs: those updated after `after` are examined, except those in `alerted`."""

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


def sensors() -> list[dg.SensorDefinition]:
    """One sensor for failed runs, one for failed checks in successful runs."""
    return [
        _sensor(
            "run_failure_alert",
            "Sends an alert for every failed run: month, failed steps and checks, error, link. Of a backfill's runs "
            "only for the first that failed; backfill_failure_alert reports the others when it has ended.",
            dg.DagsterRunStatus.FAILURE,
            _issues_to_send,
        ),
        _sensor(
            "check_failure_alert",
            "Sends an alert for the failed checks of a successful run, one message a run.",
            dg.DagsterRunStatus.SUCCESS,
            _failed_checks,
        ),
    ]


def issues_of_failed_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunIssue]:
    """The failed steps and checks of a failed run, or else its last words."""
    kinds = dg.DagsterEventType
    events = _events(instance, run, kinds.STEP_FAILURE, kinds.RUN_FAILURE, kinds.ASSET_CHECK_EVALUATION)
    ends = [event.message or "" for event in events if event.event_type == kinds.RUN_FAILURE]
    found = [*failed_steps(events), *_of_checks(events)]
    failed = any(one.severity is dg.AssetCheckSeverity.ERROR for one in found)
    return found if failed else [RunIssue("run", ends[-1] if ends and ends[-1] else "failed"), *found]


def _sensor(name: str, description: str, status: dg.DagsterRunStatus, find: IssueFinder) -> dg.SensorDefinition:
    def examine(context: dg.SensorEvaluationContext, alerts: AlertResource, text: str) -> Iterator[Examined]:
        cursor = Cursor.parse(text)
        wanted = dg.RunsFilter(statuses=[status], updated_after=datetime.fromisoformat(cursor.after))
        for record in context.instance.get_run_records(
            wanted, limit=ALERTS_A_TICK, order_by="update_timestamp", ascending=True
        ):
            run = record.dagster_run
            issues = [] if run.run_id in cursor.alerted else find(context.instance, run)
            if issues:
                cursor.alerted = [*cursor.alerted, run.run_id][-_MAX_ALERTED:]
            cursor.after = record.update_timestamp.astimezone(UTC).isoformat()
            link = alerts.link(f"runs/{run.run_id}", "open the run")
            yield Examined(cursor.text, _text(run, issues, link) if issues else None)

    return alert_sensor(name, description, lambda _: Cursor(datetime.now(tz=UTC).isoformat()).text, examine)


def _text(run: dg.DagsterRun, issues: list[RunIssue], link: str) -> str:
    worst = "ERROR" if any(one.severity is dg.AssetCheckSeverity.ERROR for one in issues) else "WARN"
    title = describe_run(run, [one.where for one in issues])
    lines = [f"{one.severity.value} {one.where}: {one.what.splitlines()[0]}" for one in issues]
    return "\n".join([f"*{worst} {title}*", *lines, link])


def _issues_to_send(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunIssue]:
    if _is_retried(run) or _is_left_to_its_backfill(instance, run):
        return []
    return issues_of_failed_run(instance, run)


def _is_retried(run: dg.DagsterRun) -> bool:
    """Whether its process died, and the daemon retries it."""
    return run.tags.get(WILL_RETRY) == "true"


def _is_left_to_its_backfill(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether another run of its backfill failed before it, so that the backfill's own alert reports it."""
    if BACKFILL not in run.tags or instance.get_backfill(run.tags[BACKFILL]) is None:
        return False
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={BACKFILL: run.tags[BACKFILL]})
    records = instance.get_run_records(failed, limit=ALERTS_A_TICK, order_by="update_timestamp", ascending=True)
    first = next((record.dagster_run for record in records if not _is_retried(record.dagster_run)), run)
    return first.run_id != run.run_id


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunIssue]:
    return _of_checks(_events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION))


def _of_checks(events: Sequence[dg.DagsterEvent]) -> list[RunIssue]:
    return failed_checks(events, dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN)


def _events(instance: dg.DagsterInstance, run: dg.DagsterRun, *kinds: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=set(kinds)) if entry.dagster_event]
