"""`housekeeping_schedule`: prunes old runs of the Dagster instance. What is kept is decided in `pruning`."""

from datetime import timedelta

import dagster as dg
from pydantic import Field

from taxi_assets import month as calendar
from taxi_assets.automation.catch_up import TIME_ZONE

DAYS = 90
RUNS_AT_ONCE = 2_000


class HousekeepingConfig(dg.Config):
    """Run config of housekeeping."""

    days: int = Field(default=DAYS, ge=1, description="Runs that ended within the last so many days are left alone.")
    runs: int = Field(default=RUNS_AT_ONCE, ge=1, description="How many runs are deleted at most.")


@dg.op(description="Deletes old runs with their events and logs, unless the state of a partition rests on them.")
def prune_old_runs(context: dg.OpExecutionContext, config: HousekeepingConfig) -> None:
    """Prune, and record in the log and as metadata what was done."""
    from taxi_assets.automation.pruning import prune_runs  # SQLAlchemy, which loading the definitions saves

    pruned = prune_runs(context.instance, calendar.now() - timedelta(days=config.days), config.runs)
    rest = "" if pruned.is_complete else "; more are left for the next time"
    context.log.info(
        f"deleted {pruned.runs} runs older than {config.days} days and {pruned.size / 1e6:.1f} MB of files; kept "
        f"{pruned.kept} that hold the newest state of a partition{rest}"
    )
    context.add_output_metadata(
        {
            "deleted_runs": pruned.runs,
            "deleted_bytes": pruned.size,
            "kept_runs": pruned.kept,
            "is_complete": pruned.is_complete,
        }
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        f"Deletes runs that ended more than {DAYS} days ago, with their events and logs. Runs that hold the newest "
        "materialization, observation, failure or check result of a partition stay."
    ),
)
def housekeeping_job() -> None:
    """The job of `housekeeping_schedule`; it can be launched from the UI with other days."""
    prune_old_runs()


housekeeping_schedule = dg.ScheduleDefinition(
    name="housekeeping_schedule",
    job=housekeeping_job,
    cron_schedule="0 3 * * 0",
    execution_timezone=TIME_ZONE,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=f"Every Sunday, deletes runs that ended more than {DAYS} days ago and that no partition's state needs.",
)
