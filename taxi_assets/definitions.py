"""The composition root: every asset, check, job and resource, put together from the settings.

`defs` is what `dagster dev`, `dagster definitions validate`, `dg` and `workspace.yaml` load.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

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
from taxi_assets.io_managers import (
    BigQueryIOManager,
    DuckDBIOManager,
    EmbeddedPostgresIOManager,
    LakeIOManager,
    PostgresIOManager,
)
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.jobs import trips_job, zones_job
from taxi_assets.resources import AlertResource, ScratchResource, SourceResource
from taxi_assets.settings import EMBEDDED, Settings

SCHEMA = "taxi"


def build_definitions(settings: Settings, loggers: Mapping[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """The definitions over the stores that the settings name; opens none of them.

    Args:
        settings: where everything is.
        loggers: what runs may log to instead of Dagster's console.
    """
    kinds = settings.kinds
    return dg.Definitions(
        assets=[
            *(asset for dataset in DATASETS for asset in trips_assets(dataset, kinds)),
            *(daily_assets(dataset, kinds) for dataset in DATASETS),
            *(report_asset(dataset, kinds) for dataset in DATASETS),
            *zones_assets(kinds),
        ],
        asset_checks=[check for dataset in DATASETS for check in trips_checks(dataset)],
        jobs=[*(trips_job(dataset) for dataset in DATASETS), zones_job(), catch_up_job],
        schedules=[catch_up_schedule, zones_schedule],
        sensors=[*(publication_sensor(dataset) for dataset in DATASETS), *alert_sensors()],
        resources={
            "source": SourceResource(url=settings.source),
            "scratch": ScratchResource(root=str(settings.home / "scratch")),
            "alerts": _alerts(settings),
            "lake": LakeIOManager(url=settings.lake, scratch=str(settings.home / "scratch")),
            "postgres": _postgres(settings),
            "warehouse": _warehouse(settings),
        },
        executor=dg.in_process_executor,
        loggers=loggers,
    )


def _alerts(settings: Settings) -> AlertResource:
    return AlertResource(
        webhook=_secret(settings, "alert_webhook", settings.alert_webhook),
        ui=settings.ui,
        postgres=_secret(settings, "postgres", None),
    )


def _secret(settings: Settings, field: str, otherwise: str | None) -> str | None:
    return dg.EnvVar(settings.secrets[field]) if field in settings.secrets else otherwise


def _postgres(settings: Settings) -> TableIOManager:
    if settings.postgres == EMBEDDED:
        return EmbeddedPostgresIOManager(folder=str(settings.postgres_folder), schema_name=SCHEMA)
    return PostgresIOManager(url=_secret(settings, "postgres", settings.postgres) or "", schema_name=SCHEMA)


def _warehouse(settings: Settings) -> TableIOManager:
    url = urlsplit(settings.warehouse)
    if url.scheme == "duckdb":
        return DuckDBIOManager(path=str(settings.duckdb_path), schema_name=SCHEMA)
    options = dict(parse_qsl(url.query))
    return BigQueryIOManager(
        project=url.netloc,
        dataset=url.path.strip("/"),
        location=options.get("location"),
        require_partition_filter=options.get("require_partition_filter") == "true",
    )


defs = build_definitions(Settings.from_environment())
