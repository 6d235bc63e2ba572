"""Failed steps and failed checks of a run, extracted from its events."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
from dagster_shared.error import SerializableErrorInfo


@dataclass(frozen=True)
class RunIssue:
    """A failed step or a failed check.

    Attributes:
        where: the step or the checked asset, as `green/postgres_trips`.
        what: the error's text or the check's findings.
        severity: WARN if the run went on.
    """

    where: str
    what: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def failed_steps(events: Iterable[dg.DagsterEvent]) -> list[RunIssue]:
    """The steps that failed, without the downstream steps that were skipped.

    A step that a blocking check failed is left out where the evaluation is among the events: that names the reason.
    """
    events = list(events)
    stopped = {event.step_key for event in events if _stops_its_step(event)}
    issues = []
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE and event.step_key not in stopped:
            data = event.step_failure_data
            description = data.user_failure_data.description if data.user_failure_data else None
            text = description or (root_cause_of(data.error).message.strip() if data.error else "failed")
            issues.append(RunIssue((event.step_key or "").replace("__", "/"), text))
    return issues


def _stops_its_step(event: dg.DagsterEvent) -> bool:
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    check = event.asset_check_evaluation_data
    return bool(check.blocking) and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR


def failed_checks(events: Iterable[dg.DagsterEvent], *severities: dg.AssetCheckSeverity) -> list[RunIssue]:
    """The failed checks of these severities."""
    issues = []
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity in severities:
                facts = ", ".join(f"{name} {value.value}" for name, value in check.metadata.items())
                where = check.asset_key.to_user_string()
                text = f"check {check.check_name} failed: {check.description or facts}"
                issues.append(RunIssue(where, text, check.severity))
    return issues


def root_cause_of(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """The innermost cause: Dagster wraps an error in its own, for retries and for steps."""
    return error if error.cause is None else root_cause_of(error.cause)
