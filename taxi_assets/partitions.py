"""Monthly partitions definitions of the datasets, and the month of a run."""

import dagster as dg

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month

KEY_FORMAT = "%Y-%m"
PARTITION_TAG = "dagster/partition"  # Dagster's own; the only place of the month in a run of asset checks


def months_of(dataset: Dataset) -> dg.MonthlyPartitionsDefinition:
    """The dataset's partitions definition: every complete month from its first one, with keys as `2024-01`.

    Each dataset has its own, since they start in different years and TLC publishes them on different days.
    """
    return dg.MonthlyPartitionsDefinition(start_date=str(dataset.first_month), fmt=KEY_FORMAT)


def month_of_run(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Month:
    """The month of the run's partition.

    Raises:
        Failure: the run has no partition, as those that Dagster 1.13 starts for "Execute all" on an asset's page.
    """
    if not context.has_partition_key:
        raise dg.Failure(
            "the run has no month: choose one in the launchpad of the dataset's job, such as green_trips_checks_job, "
            "or use: taxi check green 2024-01"
        )
    return Month.parse(context.partition_key)
