"""Jobs: what a person, a schedule or a sensor starts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.catalog import ZONES, ZONES_TABLE, Dataset, Layer
from taxi_assets.partitions import PARTITION_TAG

if TYPE_CHECKING:  # what define_asset_job returns has no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


ZONES_JOB = f"{ZONES_TABLE}_job"


def trips_job_name(dataset: Dataset) -> str:
    """The job of one month of the dataset."""
    return f"{dataset.table}_job"


def trips_job(dataset: Dataset) -> "UnresolvedAssetJobDefinition":
    """One month of a dataset: all its assets and checks."""
    return dg.define_asset_job(
        trips_job_name(dataset),
        dg.AssetSelection.groups(dataset.name),
        description=f"One month of {dataset.name}: fetch, clean, load everywhere, sum up, report, check.",
    )


def sensor_name(dataset: Dataset) -> str:
    """The sensor that watches the source for new and replaced months of the dataset."""
    return f"{dataset.table}_published"


def clean_op_name(dataset: Dataset) -> str:
    """The op that cleans a month, under which run config names the rules; as Dagster derives it from a key."""
    return "__".join(dataset.key(Layer.CLEAN))


def checks_job_name(dataset: Dataset) -> str:
    """The job that checks one month of the dataset, and loads nothing."""
    return f"{dataset.table}_checks_job"


def checks_job(dataset: Dataset, checks: Sequence[dg.AssetChecksDefinition]) -> "UnresolvedAssetJobDefinition":
    """One month of a dataset: the checks alone, for what may have happened to the tables since they were loaded."""
    return dg.define_asset_job(
        checks_job_name(dataset),
        dg.AssetSelection.checks(*(key for each in checks for key in each.check_keys)),
        description=(
            f"One month of {dataset.name}: compares and checks what is there; loads nothing. "
            f"The month is the run's tag {PARTITION_TAG}."
        ),
    )


def zones_job() -> "UnresolvedAssetJobDefinition":
    """The zones: all their assets."""
    return dg.define_asset_job(
        ZONES_JOB,
        dg.AssetSelection.groups(ZONES),
        description="The zone lookup and the zones' shapes: fetch, load everywhere.",
    )
