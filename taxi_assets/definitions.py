"""The composition root: every asset, check, job and resource, put together from the settings.

`defs` is what `dagster dev`, `dagster definitions validate`, `dg` and `workspace.yaml` load.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from taxi_assets.assets import daily_assets, report_asset, trips_assets, zones_assets
from taxi_assets.automation import (
    alert_sensors,
    catch_up_job,
    catch_up_schedule,
    publication_sensor,
    zones_schedule,
)
from taxi_assets.catalog import DATASETS
from taxi_assets.checks import trips_checks
from taxi_assets.jobs import checks_job, trips_job, zones_job
from taxi_assets.places import build_resources
from taxi_assets.settings import Settings


def build_definitions(settings: Settings, loggers: Mapping[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """The definitions over the stores that the settings name; opens none of them.

    Args:
        settings: where everything is.
        loggers: what runs may log to instead of Dagster's console.
    """
    kinds = settings.kinds
    checks = [(dataset, trips_checks(dataset)) for dataset in DATASETS]
    return dg.Definitions(
        assets=_linked_to_code(
            [
                *(asset for dataset in DATASETS for asset in trips_assets(dataset, kinds)),
                *(daily_assets(dataset, kinds) for dataset in DATASETS),
                *(report_asset(dataset, kinds) for dataset in DATASETS),
                *zones_assets(kinds),
            ]
        ),
        asset_checks=[check for _, each in checks for check in each],
        jobs=[
            *(trips_job(dataset) for dataset in DATASETS),
            *(checks_job(dataset, each) for dataset, each in checks),
            zones_job(),
            catch_up_job,
        ],
        schedules=[catch_up_schedule, zones_schedule],
        sensors=[*(publication_sensor(dataset) for dataset in DATASETS), *alert_sensors()],
        resources=build_resources(settings),
        executor=dg.in_process_executor,
        loggers=loggers,
    )


def _linked_to_code(assets: Sequence[dg.AssetsDefinition]) -> Sequence[Any]:
    """The assets, each with a link to its function for the UI."""
    with warnings.catch_warnings():  # four for each asset, and the version is pinned
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.with_source_code_references(assets)


defs = build_definitions(Settings.from_environment())
