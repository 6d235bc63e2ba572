"""Schedules: every published month that is not loaded gets loaded, and the zones are refreshed."""

import dagster as dg

from taxi_assets.automation.backfills import request_backfill
from taxi_assets.automation.event_log import failed_months, loaded_months, months_under_way
from taxi_assets.catalog import DATASETS, ZONES_TABLE, Dataset
from taxi_assets.jobs import ZONES_JOB
from taxi_assets.month import Month
from taxi_assets.resources import SourceResource
from taxi_assets.source.base import Source

MONTHS_A_TICK = 6  # of each dataset: a day's work for one machine, with 20,000,000 rows to a month of fhvhv
TIME_ZONE = "America/New_York"
_END_OF_TIME = Month(9999, 12)


def months_to_load(instance: dg.DagsterInstance, source: Source, dataset: Dataset) -> list[Month]:
    """The published months that are missing or failed in some store, oldest first, those that failed last.

    Raises:
        SourceUnavailable: the source does not answer.
    """
    from taxi_assets.source import last_published

    last = last_published(source, dataset, before=_END_OF_TIME)
    if last is None:
        return []
    failed = failed_months(instance, dataset)
    done = loaded_months(instance, dataset) - failed
    wanted = set(dataset.first_month.until(last)) - done - months_under_way(instance, dataset)
    return sorted(wanted, key=lambda month: (month in failed, month))


@dg.op(description="Asks for a backfill of the published months that are not loaded, some of each dataset.")
def ask_for_missing_months(context: dg.OpExecutionContext, source: SourceResource) -> None:
    """One backfill a dataset, so that the UI shows how far each is."""
    for dataset in DATASETS:
        months = months_to_load(context.instance, source.open(), dataset)
        asked = months[:MONTHS_A_TICK]
        if asked:
            request_backfill(context.instance, context.repository_def.asset_graph, dataset, asked)
        names = ", ".join(map(str, asked)) or "nothing"
        context.log.info(f"{dataset.name}: {len(months)} months are missing; asked for {names}")


@dg.job(
    executor_def=dg.in_process_executor,
    description="Loads published months that are missing or failed in some store, oldest first.",
)
def catch_up_job() -> None:
    """What catch_up_schedule runs; may be launched by hand as well."""
    ask_for_missing_months()


catch_up_schedule = dg.ScheduleDefinition(
    name="catch_up_schedule",
    job=catch_up_job,
    cron_schedule="0 5 * * *",
    execution_timezone=TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=(
        f"Every morning, up to {MONTHS_A_TICK} published months of each dataset that are missing or failed in some "
        "store, oldest first: switched on, it loads all of history in time."
    ),
)


zones_schedule = dg.ScheduleDefinition(
    name=f"{ZONES_TABLE}_schedule",
    job_name=ZONES_JOB,
    cron_schedule="0 4 1 * *",
    execution_timezone=TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Refreshes the zone lookup on the first of each month: it hardly ever changes.",
)
