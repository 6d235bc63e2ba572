"""Alerts for assets that violate their freshness policy: one message when a dataset turns late, one when it fails.

Dagster's daemon evaluates the policy of an asset as a whole, by its newest materialization of any partition: an old
month that is loaded again makes the asset fresh. It stores a change of state as an event, which this module reads.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import quote

import dagster as dg

from taxi_assets.automation.alerts.delivery import Examined, alert_sensor
from taxi_assets.resources import AlertResource

if TYPE_CHECKING:
    from taxi_assets.automation.dagster_internals import FreshnessStateRecord

_SEVERITY = {"WARN": "WARN", "FAIL": "ERROR"}  # freshness state -> severity; other states need no alert


def sensor() -> dg.SensorDefinition:
    """The sensor for assets that violate their freshness policy."""
    return alert_sensor(
        "freshness_alert",
        "Sends an alert when assets violate their freshness policy, as a warning first (WARN) and later as a failure "
        "(ERROR): assets, last materialization, link. What is late already when it begins is sent as well.",
        lambda _: "{}",
        _examine,
        slowness=10,  # what is late is so by days
    )


def _examine(context: dg.SensorEvaluationContext, alerts: AlertResource, text: str) -> Iterator[Examined]:
    """The cursor maps an asset to the time of its last change of state that was examined."""
    cursor: dict[str, str] = json.loads(text)
    policies = _policies(context)
    changed = [
        record
        for key, record in context.instance.get_freshness_state_records(list(policies)).items()
        if cursor.get(key.to_user_string()) != record.updated_at.isoformat()
    ]
    for (_, state), records in groupby(sorted(changed, key=_dataset_and_state), key=_dataset_and_state):
        together = list(records)
        cursor |= {record.entity_key.to_user_string(): record.updated_at.isoformat() for record in together}
        alert = _text(context.instance, state, together, policies, alerts) if state in _SEVERITY else None
        yield Examined(json.dumps(cursor), alert)


def _policies(context: dg.SensorEvaluationContext) -> Mapping[dg.AssetKey, dg.FreshnessPolicy]:
    nodes = context.repository_def.asset_graph.asset_nodes if context.repository_def else ()
    return {node.key: node.freshness_policy for node in nodes if node.freshness_policy}


def _dataset_and_state(record: "FreshnessStateRecord") -> tuple[str, str]:
    key = record.entity_key
    return key.path[0], record.freshness_state.value


def _text(
    instance: dg.DagsterInstance,
    state: str,
    records: list["FreshnessStateRecord"],
    policies: Mapping[dg.AssetKey, dg.FreshnessPolicy],
    alerts: AlertResource,
) -> str:
    keys = sorted(record.entity_key for record in records)
    severity = _SEVERITY[state]
    lines = [
        f"{severity} {alerts.link(f'assets/{quote(name)}', name)}: {_reason(instance, key, state, policies[key])}"
        for key, name in ((key, key.to_user_string()) for key in keys)
    ]
    return "\n".join([f"*{severity} {keys[0].path[0]} is late*", *lines])


def _reason(instance: dg.DagsterInstance, key: dg.AssetKey, state: str, policy: dg.FreshnessPolicy) -> str:
    event = instance.get_latest_materialization_event(key)
    last = "not materialized"
    if event is not None:
        partition = event.dagster_event.partition if event.dagster_event else None
        day = datetime.fromtimestamp(event.timestamp, tz=UTC).date()
        last = f"last materialized on {day}{f' ({partition})' if partition else ''}"
    window = getattr(policy, "warn_window" if state == "WARN" else "fail_window", None)
    allowed = f", allowed are {window.to_timedelta().days} days" if window else ""
    return f"{last}{allowed}"
