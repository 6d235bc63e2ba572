"""The composition root: every asset, check, job and resource, put together from the settings.

`defs` is what `dagster dev`, `dagster definitions validate`, `dg` and `workspace.yaml` load.
"""

from collections.abc import Mapping

import dagster as dg

from taxi_assets.assets import trips_assets, zones_assets
from taxi_assets.automation import (
    alert_sensors,
    catch_up_job,
    catch_up_schedule,
    publication_sensor,
    zones_schedule,
)
from taxi_assets.catalog import DATASETS
from taxi_assets.checks import trips_checks
from taxi_assets.jobs import trips_job, zones_job
from taxi_assets.places import build_resources
from taxi_assets.settings import Settings


def build_definitions(settings: Settings, loggers: Mapping[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """The definitions over the stores that the settings name; opens none of them.

    Args:
        settings: where everything is.
        loggers: what runs may log to instead of Dagster's console.
    """
    kinds = settings.kinds
    return dg.Definitions(
        assets=[*(asset for dataset in DATASETS for asset in trips_assets(dataset, kinds)), *zones_assets(kinds)],
        asset_checks=[check for dataset in DATASETS for check in trips_checks(dataset)],
        jobs=[*(trips_job(dataset) for dataset in DATASETS), zones_job(), catch_up_job],
        schedules=[catch_up_schedule, zones_schedule],
        sensors=[*(publication_sensor(dataset) for dataset in DATASETS), *alert_sensors()],
        resources=build_resources(settings),
        executor=dg.in_process_executor,
        loggers=loggers,
    )


defs = build_definitions(Settings.from_environment())
