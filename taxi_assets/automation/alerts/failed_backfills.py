"""Alerts for backfills that ended with failed months: one message a backfill, with each month and its error.

`failed_runs` sends the first failed run of a backfill at once, and leaves the others to this message: a store that is
down fails every month alike.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.automation.alerts.delivery import Examined, alert_sensor
from taxi_assets.automation.alerts.failed_runs import issues_of_failed_run
from taxi_assets.automation.event_log import BACKFILL, ROOT_RUN, describe_run
from taxi_assets.resources import AlertResource

if TYPE_CHECKING:
    from taxi_assets.automation.dagster_internals import PartitionBackfill

_EXPLAINED = 20  # failed months whose error the message contains; it names the others
_OVERLAP = 600  # seconds: backfills may be stored in another order than that of their time of creation


@dataclass
class Cursor:
    """Position among the backfills.

    Attributes:
        after: time of creation, in seconds since 1970; those created until then had all ended and were examined.
        examined: ids of those created later that ended and were examined.
    """

    after: float
    examined: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return json.dumps({"after": self.after, "examined": self.examined})


def sensor() -> dg.SensorDefinition:
    """The sensor for backfills that ended with failed months."""
    return alert_sensor(
        "backfill_failure_alert",
        "Sends an alert for every backfill that ended with failed months: the months, their errors, link.",
        _begin,
        _examine,
        slowness=2,
    )


def _begin(instance: dg.DagsterInstance) -> str:
    """Backfills in progress count, those that have ended do not."""
    from taxi_assets.automation.backfills import UNDER_WAY
    from taxi_assets.automation.dagster_internals import BulkActionsFilter

    after = _last_examined(instance.get_backfills(filters=BulkActionsFilter(statuses=UNDER_WAY)))
    return Cursor(after, [one.backfill_id for one in _created_after(instance, after) if _has_ended(one)]).text


def _examine(context: dg.SensorEvaluationContext, alerts: AlertResource, text: str) -> Iterator[Examined]:
    cursor = Cursor(**json.loads(text))
    found = _created_after(context.instance, cursor.after)
    for one in sorted(found, key=lambda one: one.backfill_end_timestamp or 0):
        if _has_ended(one) and one.backfill_id not in cursor.examined:
            cursor.examined.append(one.backfill_id)
            link = alerts.link(f"runs/b/{one.backfill_id}", "open the backfill")
            yield Examined(cursor.text, _text(context.instance, one, link))
    after = max(cursor.after, _last_examined(found))
    later = {one.backfill_id for one in found if one.backfill_timestamp > after}
    yield Examined(Cursor(after, [one for one in cursor.examined if one in later]).text)


def _created_after(instance: dg.DagsterInstance, after: float) -> Sequence["PartitionBackfill"]:
    from taxi_assets.automation.dagster_internals import BulkActionsFilter

    return instance.get_backfills(filters=BulkActionsFilter(created_after=datetime.fromtimestamp(after, tz=UTC)))


def _last_examined(backfills: Sequence["PartitionBackfill"]) -> float:
    """The time of creation until which no backfill can end any more, in seconds since 1970."""
    open_since = [one.backfill_timestamp for one in backfills if not _has_ended(one)]
    return min([time.time() - _OVERLAP, *(since - 1 for since in open_since)])


def _has_ended(backfill: "PartitionBackfill") -> bool:
    from taxi_assets.automation.backfills import UNDER_WAY

    return backfill.status not in UNDER_WAY


def _text(instance: dg.DagsterInstance, backfill: "PartitionBackfill", link: str) -> str | None:
    """The message; None if no month failed."""
    newest = _newest_of_each_month(instance, backfill)
    failed = sorted((run for run in newest if run.status == dg.DagsterRunStatus.FAILURE), key=describe_run)
    if not failed and backfill.error is None:
        return None
    title = backfill.title or f"backfill {backfill.backfill_id}"
    lines = [f"*ERROR {title}: {len(failed)} of {len(newest)} runs failed*"]
    if backfill.error is not None:
        lines.append(f"the backfill stopped: {backfill.error.message.strip().splitlines()[0]}")
    for run in failed[:_EXPLAINED]:
        reason = issues_of_failed_run(instance, run)[0]
        lines.append(f"{describe_run(run)}: {str(reason).splitlines()[0]}")
    if failed[_EXPLAINED:]:
        lines.append(f"and {', '.join(describe_run(run) for run in failed[_EXPLAINED:])}")
    return "\n".join([*lines, link])


def _newest_of_each_month(instance: dg.DagsterInstance, backfill: "PartitionBackfill") -> list[dg.DagsterRun]:
    """The runs of the backfill; of a run that was made again only the last try."""
    newest: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={BACKFILL: backfill.backfill_id})):
        newest.setdefault(run.tags.get(ROOT_RUN, run.run_id), run)
    return list(newest.values())
