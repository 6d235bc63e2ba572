"""Schedules: `catch_up_schedule` backfills published months that are not loaded, `taxi_zones_schedule` the zones.

New publications are left to the sensors in `new_files`.
"""

import dagster as dg

from taxi_assets.automation.event_log import failed_months, loaded_months, months_in_progress
from taxi_assets.catalog import DATASETS, ZONES_TABLE, Dataset
from taxi_assets.jobs import ZONES_JOB
from taxi_assets.month import Month
from taxi_assets.resources import SourceResource
from taxi_assets.source.base import Source

MONTHS_A_TICK = 6  # of each dataset: one machine loads them in a day, at 20,000,000 rows a month of fhvhv
TIME_ZONE = "America/New_York"
_END_OF_TIME = Month(9999, 12)


def months_to_load(instance: dg.DagsterInstance, source: Source, dataset: Dataset) -> list[Month]:
    """The published months that are missing or failed in any store: missing ones first, each group oldest first.

    Raises:
        SourceUnavailable: the source does not answer.
    """
    from taxi_assets.source import last_published

    last = last_published(source, dataset, before=_END_OF_TIME)
    if last is None:
        return []
    failed = failed_months(instance, dataset)
    done = loaded_months(instance, dataset) - failed
    wanted = set(dataset.first_month.until(last)) - done - months_in_progress(instance, dataset)
    return sorted(wanted, key=lambda month: (month in failed, month))


@dg.op(description=f"Requests backfills of published months that are not loaded: {MONTHS_A_TICK} of each dataset.")
def ask_for_missing_months(context: dg.OpExecutionContext, source: SourceResource) -> None:
    """Request one backfill per dataset, so that the UI shows the progress of each."""
    from taxi_assets.automation.backfills import request_backfill  # 0.05 s, which loading the definitions saves

    for dataset in DATASETS:
        months = months_to_load(context.instance, source.open(), dataset)
        requested = months[:MONTHS_A_TICK]
        if requested:
            request_backfill(
                context.instance,
                context.repository_def.asset_graph,
                dataset,
                requested,
                requested_by="catch_up_schedule",
                title=f"catch up: {dataset.name} {requested[0]} to {requested[-1]}",
            )
        names = ", ".join(map(str, requested)) or "nothing"
        context.log.info(f"{dataset.name}: {len(months)} months are not loaded; requested a backfill of {names}")


@dg.job(
    executor_def=dg.in_process_executor,
    description="Requests backfills of published months that are missing or failed in any store, oldest first.",
)
def catch_up_job() -> None:
    """The job of `catch_up_schedule`; it can be launched from the UI as well."""
    ask_for_missing_months()


catch_up_schedule = dg.ScheduleDefinition(
    name="catch_up_schedule",
    job=catch_up_job,
    cron_schedule="0 5 * * *",
    execution_timezone=TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=(
        f"Every morning, requests a backfill of up to {MONTHS_A_TICK} published months of each dataset that are "
        "missing or failed in any store, oldest first. Over time it loads the whole history."
    ),
)


zones_schedule = dg.ScheduleDefinition(
    name=f"{ZONES_TABLE}_schedule",
    job_name=ZONES_JOB,
    cron_schedule="0 4 1 * *",
    execution_timezone=TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Re-materializes the zones on the first of each month: TLC hardly ever changes them.",
)
