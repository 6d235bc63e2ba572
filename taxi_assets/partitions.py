"""The months of each dataset as Dagster partitions; the one place that turns a partition key into a month."""

import warnings

import dagster as dg

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month

KEY_FORMAT = "%Y-%m"
PARTITION_TAG = "dagster/partition"  # Dagster's own; a run of checks alone has its month from here, by no other way


def months_of(dataset: Dataset) -> dg.MonthlyPartitionsDefinition:
    """The dataset's partitions: every complete month from the first that TLC has, with keys such as `2024-01`.

    Each dataset has its own, since they begin in different years and TLC publishes them on different days.
    """
    return dg.MonthlyPartitionsDefinition(start_date=str(dataset.first_month), fmt=KEY_FORMAT)


def month_of_run(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Month:
    """The month that the run is for.

    Raises:
        Failure: it is for none, as checks are that somebody executes from an asset's page.
    """
    if not context.has_partition_key:
        raise dg.Failure("which month? Say it by a run's tag dagster/partition, or: taxi check green 2024-01")
    return Month.parse(context.partition_key)


def year_before() -> dg.TimeWindowPartitionMapping:
    """A month's dependency on the same month of the year before, which may lie before the dataset's first."""
    with warnings.catch_warnings():  # the parameter is in beta, and the version of Dagster is pinned
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-12, end_offset=-12, allow_nonexistent_upstream_partitions=True
        )
