"""Delivery of alerts: a sensor whose cursor advances only after the webhook took the message.

Dagster's run-failure sensors advance their cursor whether or not an alert was delivered. These stay where they are
while the webhook is down and go on from there, so that no alert is lost and none is sent twice. What causes an alert
does not belong here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg

from taxi_assets.errors import AlertUnavailable
from taxi_assets.resources import AlertResource

SECONDS_BETWEEN_TICKS = 60  # a tick that finds nothing takes some hundredths of a second in two processes
ALERTS_A_TICK = 20


@dataclass(frozen=True)
class Examined:
    """One thing that a sensor examined.

    Attributes:
        cursor: where the sensor goes on afterwards, as Dagster stores it.
        alert: the message to deliver first; None if it needs none.
    """

    cursor: str
    alert: str | None = None


Begin = Callable[[dg.DagsterInstance], str]
Examine = Callable[[dg.SensorEvaluationContext, AlertResource, str], Iterator[Examined]]


def alert_sensor(
    name: str, description: str, begin: Begin, examine: Examine, *, slowness: int = 1
) -> dg.SensorDefinition:
    """A sensor that delivers what `examine` finds after its cursor, in that order.

    Args:
        name: of the sensor.
        description: for the UI.
        begin: makes the first cursor, when the webhook has just been set.
        examine: yields what lies after a cursor, oldest first.
        slowness: how many times the usual pause lies between two ticks.
    """

    @dg.sensor(
        name=name,
        description=f"{description} Does nothing without TAXI_ALERT_WEBHOOK.",
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS * slowness,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alert(context: dg.SensorEvaluationContext, alerts: AlertResource) -> dg.SensorResult | dg.SkipReason:
        if not alerts.webhook:
            return dg.SkipReason("TAXI_ALERT_WEBHOOK is not set")
        if context.cursor is None:
            return _result(begin(context.instance), "initialized: alerts cover failures from now on")
        return _deliver(examine(context, alerts, context.cursor), alerts, context.cursor)

    return alert


def _deliver(found: Iterator[Examined], alerts: AlertResource, cursor: str) -> dg.SensorResult:
    sent = 0
    for examined in found:
        if examined.alert is not None:
            try:
                alerts.post(examined.alert)
            except AlertUnavailable as error:
                return _result(cursor, f"{error}; the remaining alerts are sent at the next tick")
            sent += 1
        cursor = examined.cursor
        if sent == ALERTS_A_TICK:
            break
    return _result(cursor, f"{sent} alerts sent" if sent else "nothing failed")


def _result(cursor: str, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=cursor)
