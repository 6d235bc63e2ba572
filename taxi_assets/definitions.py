"""Composition root: builds the Dagster definitions from the settings.

`dagster dev`, `dagster definitions validate`, `dg` and `workspace.yaml` load `defs`. Definitions themselves do not
belong here: assets, checks, jobs, sensors and resources come from their own packages.
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import dagster as dg

from taxi_assets.assets import daily_assets, index_asset, published_files, report_asset, trips_assets, zones_assets
from taxi_assets.assets.specs import complete_specs
from taxi_assets.automation import (
    alert_sensors,
    automation_condition_sensor,
    catch_up_job,
    catch_up_schedule,
    fork_runs,
    housekeeping_job,
    housekeeping_schedule,
    missed_retries_sensor,
    publication_sensor,
    zones_schedule,
)
from taxi_assets.catalog import DATASETS, Dataset
from taxi_assets.checks import trips_checks
from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager, PostgresIOManager
from taxi_assets.jobs import checks_job, trips_job, zones_job
from taxi_assets.resources import (
    AlertResource,
    DuckDBResource,
    PostgresResource,
    ScratchResource,
    SourceRecordResource,
    SourceResource,
    StoresResource,
)
from taxi_assets.settings import SCHEMA, Settings
from taxi_assets.settings.placement import require_reachable_stores
from taxi_assets.settings.places import Bucket, DuckDB, Embedded, Role, Website
from taxi_assets.stores.factory import LOAD_LOG


def build_definitions(settings: Settings, loggers: Mapping[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """The definitions for the stores of the settings; opens no store.

    Args:
        settings: the places of the stores and of the source.
        loggers: loggers that a run can select instead of Dagster's console logger.

    Raises:
        InvalidRequest: the instance starts runs on other machines, and a store is on this one's disk.
    """
    require_reachable_stores(settings)
    assets, checks = assets_and_checks(tuple(settings.roles.items()))
    return dg.Definitions(
        assets=assets,
        asset_checks=[check for _, each in checks for check in each],
        jobs=[
            *(trips_job(dataset) for dataset in DATASETS),
            *(checks_job(dataset, each) for dataset, each in checks),
            zones_job(),
            catch_up_job,
            housekeeping_job,
        ],
        schedules=[catch_up_schedule, zones_schedule, housekeeping_schedule],
        sensors=[
            *(publication_sensor(dataset) for dataset in DATASETS),
            automation_condition_sensor(),
            *alert_sensors(),
            missed_retries_sensor,
        ],
        resources=build_resources(settings),
        executor=dg.in_process_executor,
        loggers=loggers,
    )


@cache
def assets_and_checks(
    roles: tuple[tuple[str, Role], ...],
) -> tuple[Sequence[Any], Sequence[tuple[Dataset, Sequence[dg.AssetChecksDefinition]]]]:
    """The assets, and each dataset's checks, for stores of these technologies.

    Cached, since a command builds the definitions twice: as `defs`, and with its terminal's loggers. The catalogue is
    read at the first call; after changing it in a running process, call `cache_clear()`.
    """
    kinds = dict(roles)
    assets = [
        *(asset for dataset in DATASETS for asset in trips_assets(dataset, kinds)),
        *(daily_assets(dataset, kinds) for dataset in DATASETS),
        *(report_asset(dataset) for dataset in DATASETS),
        index_asset(DATASETS),
        *zones_assets(kinds),
    ]
    published = [published_files(dataset) for dataset in DATASETS]
    checks = [(dataset, trips_checks(dataset)) for dataset in DATASETS]
    return [*published, *_linked_to_code(complete_specs(assets, kinds))], checks


def build_resources(settings: Settings) -> dict[str, Any]:
    """The resources by key: connections, and the IO managers that use them; opens no connection."""
    postgres = _postgres(settings)
    return {
        "source": SourceResource(url=_source_url(settings)),
        "source_record": SourceRecordResource(path=str(settings.source_record)),
        "scratch": ScratchResource(root=str(settings.scratch)),
        "alerts": AlertResource(
            webhook=_secret(settings, "alert_webhook"), ui=settings.ui, postgres=_secret(settings, "postgres")
        ),
        "stores": StoresResource(
            lake_url=str(settings.lake),
            warehouse_url=str(settings.warehouse),
            postgres=postgres,
            scratch=str(settings.scratch),
        ),
        "postgres": postgres,
        "postgres_io_manager": PostgresIOManager(
            postgres=postgres, schema_name=SCHEMA, audit_table=LOAD_LOG, store_name="postgres"
        ),
        **_lake(settings),
        **_warehouse(settings),
    }


def _lake(settings: Settings) -> dict[str, Any]:
    if not isinstance(settings.lake, Bucket):
        return {"lake_io_manager": LakeIOManager(folder=str(settings.lake))}
    from taxi_assets.io_managers import GCSLakeIOManager
    from taxi_assets.resources.google_cloud import GCSResource

    gcs = GCSResource()
    manager = GCSLakeIOManager(
        gcs=gcs, url=str(settings.lake), scratch=str(settings.scratch), locks=str(settings.locks)
    )
    return {"gcs": gcs, "lake_io_manager": manager}


def _warehouse(settings: Settings) -> dict[str, Any]:
    place = settings.warehouse
    if isinstance(place, DuckDB):
        duckdb = DuckDBResource(database=str(place.path))
        manager = DuckDBIOManager(duckdb=duckdb, schema_name=SCHEMA, audit_table=LOAD_LOG, store_name="warehouse")
        return {"duckdb": duckdb, "warehouse_io_manager": manager}
    from taxi_assets.io_managers import BigQueryIOManager
    from taxi_assets.resources.google_cloud import BigQueryResource

    bigquery = BigQueryResource(project=place.project, location=place.location)
    return {
        "bigquery": bigquery,
        "warehouse_io_manager": BigQueryIOManager(
            bigquery=bigquery,
            dataset=place.dataset,
            require_partition_filter=place.require_partition_filter,
            audit_table=LOAD_LOG,
            store_name="warehouse",
        ),
    }


def _postgres(settings: Settings) -> PostgresResource:
    if isinstance(settings.postgres, Embedded):
        return PostgresResource(folder=str(settings.postgres.folder))
    return PostgresResource(url=_secret(settings, "postgres"))


def _source_url(settings: Settings) -> str:
    secret = _secret(settings, "source")
    if secret is not None:
        return secret
    place = settings.source
    return place.url.get_secret_value() if isinstance(place, Website) else str(place)


def _secret(settings: Settings, field: str) -> str | None:
    """The `EnvVar` of a secret field, of which the UI shows the name only; None for other fields."""
    return dg.EnvVar(settings.secrets[field]) if field in settings.secrets else None


def _linked_to_code(assets: Sequence[dg.AssetsDefinition]) -> Sequence[Any]:
    """The assets with links to their source code for the UI."""
    with warnings.catch_warnings():  # four warnings per asset; Dagster's version is pinned
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.with_source_code_references(assets)


fork_runs()
defs = build_definitions(Settings.from_environment())
