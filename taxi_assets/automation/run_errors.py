"""What went wrong in a run, from its events, in the words of this project."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
from dagster_shared.error import SerializableErrorInfo


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong.

    Attributes:
        where: the step, or the asset that was checked, as `green/postgres_trips`.
        what: the error or the check's findings.
        severity: WARN where it stopped nothing.
    """

    where: str
    what: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def failed_steps(events: Iterable[dg.DagsterEvent]) -> list[Trouble]:
    """The steps that failed by themselves, not those that were left out for it.

    Nor those that a check of theirs stopped, where its evaluation is among the events: that says better why.
    """
    events = list(events)
    stopped = {event.step_key for event in events if _stops_its_step(event)}
    troubles = []
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE and event.step_key not in stopped:
            data = event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            text = told or (root_of(data.error).message.strip() if data.error else "failed")
            troubles.append(Trouble((event.step_key or "").replace("__", "/"), text))
    return troubles


def _stops_its_step(event: dg.DagsterEvent) -> bool:
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    check = event.asset_check_evaluation_data
    return bool(check.blocking) and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR


def failed_checks(events: Iterable[dg.DagsterEvent], *severities: dg.AssetCheckSeverity) -> list[Trouble]:
    """The checks of these severities that did not pass."""
    troubles = []
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity in severities:
                facts = ", ".join(f"{name} {value.value}" for name, value in check.metadata.items())
                where = check.asset_key.to_user_string()
                text = f"check {check.check_name} failed: {check.description or facts}"
                troubles.append(Trouble(where, text, check.severity))
    return troubles


def root_of(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """What went wrong, where Dagster says first that it was tried often enough, or that it happened in a step."""
    return error if error.cause is None else root_of(error.cause)
