"""Asset jobs and the names that runs are launched and found by: jobs, sensors and the cleaning op.

The catch-up job is not here: it materializes nothing, and lies with its schedule in `automation.catch_up`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.catalog import ZONES, ZONES_TABLE, Dataset, Layer, Store
from taxi_assets.partitions import months_of

if TYPE_CHECKING:
    from taxi_assets.automation.dagster_internals import UnresolvedAssetJobDefinition


ZONES_JOB = f"{ZONES_TABLE}_job"
PRIORITY = "dagster/priority"  # tag of a run or a step: those with a higher number begin first; without it, it is 0


def trips_job_name(dataset: Dataset) -> str:
    """Name of the job that materializes one partition of the dataset."""
    return f"{dataset.table}_job"


def trips_job(dataset: Dataset) -> "UnresolvedAssetJobDefinition":
    """Job: materializes one partition of all assets of the dataset, with their checks."""
    return dg.define_asset_job(
        trips_job_name(dataset),
        dg.AssetSelection.groups(dataset.name),
        description=f"One month of {dataset.name}: ingest, clean, load every store, summarize, report, check.",
    )


def step_tags(store: Store) -> Mapping[str, str]:
    """Tags of a step that works on a table of the store: Postgres takes longest, so the others are to fit beside it."""
    return {PRIORITY: "1"} if store is Store.POSTGRES else {}


def sensor_name(dataset: Dataset) -> str:
    """Name of the sensor that polls the source for new and replaced months of the dataset."""
    return f"{dataset.table}_published"


def clean_op_name(dataset: Dataset) -> str:
    """Name of the op that cleans a month, derived from the key as Dagster does; run config sets the rules under it."""
    return "__".join(dataset.key(Layer.CLEAN))


def cleaning_config(dataset: Dataset, rules: Sequence[str], *, accept_shrunk: bool = False) -> dict[str, object]:
    """Run config that cleans by these rules; `accept_shrunk` loads a month even if it lost most of its rows."""
    cleaning = {"rules": list(rules), "accept_shrunk": accept_shrunk}
    return {"ops": {clean_op_name(dataset): {"config": cleaning}}}


def checks_job_name(dataset: Dataset) -> str:
    """Name of the job that executes the checks of one month of the dataset and loads nothing."""
    return f"{dataset.table}_checks_job"


def checks_job(dataset: Dataset, checks: Sequence[dg.AssetChecksDefinition]) -> "UnresolvedAssetJobDefinition":
    """Job: executes the checks of one month without loading, to find changes to the tables since the last load."""
    return dg.define_asset_job(
        checks_job_name(dataset),
        dg.AssetSelection.checks(*(key for each in checks for key in each.check_keys)),
        # Dagster takes a job's partitions from its assets, and this one has none: without the config, the launchpad
        # has no months to choose from.
        config=dg.PartitionedConfig(months_of(dataset), run_config_for_partition_key_fn=lambda _: {}),
        description=(
            f"Executes all asset checks of one month of {dataset.name} on the stored data; loads nothing. Choose the "
            "month in the launchpad."
        ),
    )


def zones_job() -> "UnresolvedAssetJobDefinition":
    """Job: materializes all assets of the zones."""
    return dg.define_asset_job(
        ZONES_JOB,
        dg.AssetSelection.groups(ZONES),
        description="Ingests the zone lookup and the zone shapes, and loads the lookup into every store.",
    )
