"""Builds the audit table's row of a load from the output's context: run, starter, provenance of the rows."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from taxi_assets.stores.load_log import Entry
from taxi_assets.stores.rows import Rows

REQUESTED_BY = "taxi/requested_by"  # tag of runs requested by code; its value names the requester
_STARTED_BY = {
    REQUESTED_BY: "{}",
    "dagster/schedule_name": "schedule {}",
    "dagster/from_automation_condition": "automation condition",
    "dagster/sensor_name": "sensor {}",
}
_BACKFILL = "dagster/backfill"
_STARTER_UNKNOWN = "a person in the UI, or a program by the API"


def entry_of(context: dg.OutputContext, audit_table: str, store: str, rows: Rows) -> Entry:
    """The audit entry of a load that starts now."""
    return Entry(
        audit_table=audit_table,
        store=store,
        run_id=context.run_id,
        started_by=started_by(context.step_context.run_tags),
        started_at=datetime.now(tz=UTC),
        origin=rows.provenance,
    )


def started_by(tags: Mapping[str, str]) -> str:
    """What started the run, by its tags."""
    named = [form.format(tags[tag]) for tag, form in _STARTED_BY.items() if tag in tags]
    backfill = [f"backfill {tags[_BACKFILL]}"] if _BACKFILL in tags else []
    return ", ".join([*named[:1], *backfill]) or _STARTER_UNKNOWN
