"""Alerts for sensors and schedules whose ticks fail: one message when it begins, and none until it has recovered.

A sensor has to fail twice in a row, since the tick that follows makes up for the one before. A schedule's tick is a
day's work: its first failure counts.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import dagster as dg

from taxi_assets.automation.alerts.delivery import Examined, alert_sensor
from taxi_assets.automation.run_errors import root_cause_of
from taxi_assets.resources import AlertResource

if TYPE_CHECKING:
    from taxi_assets.automation.dagster_internals import InstigatorState, InstigatorTick

_FAILURES_OF_A_SENSOR = 2
_FAILURES_OF_A_SCHEDULE = 1
_TICKS = 500  # failed ticks of a sensor that are examined at once: a webhook may be down for days
_DEFAULT_REPOSITORY = "__repository__"  # the UI leaves it out of addresses
# This sensor runs in the code server itself: when it reads of an outage, the outage is over.
_OUTAGE = "Could not reach user code server"


@dataclass(frozen=True)
class Streak:
    """The consecutive failures of a sensor or schedule.

    Attributes:
        at: when the last examined failed tick began, in seconds since 1970.
        failures: how many failed ticks had followed each other then.
    """

    at: float
    failures: int = 0


@dataclass
class Cursor:
    """Position among the failed ticks.

    Attributes:
        since: earlier ticks are left out, in seconds since 1970.
        streaks: selector id of a sensor or schedule -> its last failures.
    """

    since: float
    streaks: dict[str, Streak] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor that Dagster stored."""
        facts = json.loads(text)
        return cls(facts["since"], {one: Streak(**streak) for one, streak in facts["streaks"].items()})

    @property
    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return json.dumps(asdict(self))


def sensor() -> dg.SensorDefinition:
    """The sensor for sensors and schedules whose ticks fail."""
    return alert_sensor(
        "tick_failure_alert",
        "Sends an alert when the ticks of a sensor or schedule begin to fail: its name, the error, link. Further "
        "failed ticks are not reported until one has succeeded.",
        lambda _: Cursor(datetime.now(tz=UTC).timestamp()).text,
        _examine,
        slowness=2,
    )


def _examine(context: dg.SensorEvaluationContext, alerts: AlertResource, text: str) -> Iterator[Examined]:
    cursor, instance = Cursor.parse(text), context.instance
    states = {state.selector_id: state for state in instance.all_instigator_state()}
    cursor.streaks = {one: streak for one, streak in cursor.streaks.items() if one in states}
    for selector_id, state in states.items():  # `get_batch_ticks` of Dagster 1.13.27 fails where it gets statuses
        streak = cursor.streaks.get(selector_id, Streak(cursor.since))
        for tick in _failed_ticks(instance, state, streak.at):
            streak = _continued(instance, state, streak, tick)
            cursor.streaks[selector_id] = streak
            yield Examined(cursor.text, _text(state, tick, alerts) if streak.failures == _threshold(state) else None)


def _failed_ticks(instance: dg.DagsterInstance, state: "InstigatorState", after: float) -> Iterator["InstigatorTick"]:
    """Those that began after that moment, oldest first."""
    from taxi_assets.automation.dagster_internals import TickStatus

    origin, failure = state.instigator_origin_id, [TickStatus.FAILURE]
    ticks = instance.get_ticks(origin, state.selector_id, after=after, limit=_TICKS, statuses=failure)
    return (tick for tick in reversed(ticks) if not (tick.error and _OUTAGE in root_cause_of(tick.error).message))


def _continued(
    instance: dg.DagsterInstance, state: "InstigatorState", streak: Streak, tick: "InstigatorTick"
) -> Streak:
    """The streak with the failed tick: it goes on, or begins anew if a tick succeeded in between."""
    from taxi_assets.automation.dagster_internals import TickStatus

    # From the last failed tick on, and not after it: a schedule's tick is retried as the same one.
    recovered = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        after=streak.at - 0.001,
        before=tick.timestamp,
        limit=1,
        statuses=[TickStatus.SUCCESS, TickStatus.SKIPPED],
    )
    return replace(streak, at=tick.timestamp, failures=1 if recovered else streak.failures + 1)


def _is_schedule(state: "InstigatorState") -> bool:
    return state.instigator_type.name == "SCHEDULE"


def _threshold(state: "InstigatorState") -> int:
    return _FAILURES_OF_A_SCHEDULE if _is_schedule(state) else _FAILURES_OF_A_SENSOR


def _text(state: "InstigatorState", tick: "InstigatorTick", alerts: AlertResource) -> str:
    kind = "schedule" if _is_schedule(state) else "sensor"
    repository = state.origin.repository_origin
    location, name = repository.code_location_origin.location_name, repository.repository_name
    place = location if name == _DEFAULT_REPOSITORY else f"{name}@{location}"
    message = root_cause_of(tick.error).message.strip().splitlines()[0] if tick.error else "no error was recorded"
    return "\n".join(
        [
            f"*ERROR {kind} {state.instigator_name} fails*",
            message,
            alerts.link(f"locations/{quote(place)}/{kind}s/{quote(state.instigator_name)}", f"open the {kind}"),
        ]
    )
