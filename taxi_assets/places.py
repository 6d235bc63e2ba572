"""The resources, put together from the settings: for the definitions, and for commands that look at what is there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import dagster as dg

from taxi_assets.io_managers import (
    BigQueryIOManager,
    DuckDBIOManager,
    EmbeddedPostgresIOManager,
    LakeIOManager,
    PostgresIOManager,
)
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.resources import AlertResource, ScratchResource, SourceRecordResource, SourceResource
from taxi_assets.settings import EMBEDDED, Settings
from taxi_assets.stores.factory import LOAD_LOG, SCHEMA
from taxi_assets.stores.scratch import scratch_folder

__all__ = ["LOAD_LOG", "SCHEMA", "build_resources", "opened_stores"]

_PATIENCE_OF_READERS = 5  # seconds that a command waits for the file of DuckDB, before it says who has it


@contextmanager
def opened_stores(settings: Settings, names: Iterable[str]) -> Iterator[Mapping[str, Callable[[], Any]]]:
    """Name -> what opens the store of that name, which is `lake`, `postgres` or `warehouse`.

    To open one raises `StoreUnavailable` where it does not answer. What the stores bring here is gone at the end.
    """
    with scratch_folder(settings.home / "scratch") as folder:
        resources = build_resources(replace(settings, secrets={}))  # outside of a run nobody reads an EnvVar
        resources["lake"] = LakeIOManager(url=settings.lake, scratch=str(folder))
        if isinstance(resources["warehouse"], DuckDBIOManager):
            resources["warehouse"] = resources["warehouse"].model_copy(update={"patience": _PATIENCE_OF_READERS})
        yield {name: resources[name].store if name == "lake" else resources[name].open_store for name in names}


def build_resources(settings: Settings) -> dict[str, Any]:
    """The resources by name, over the stores that the settings name; opens none of them."""
    return {
        "source": SourceResource(url=_secret(settings, "source", settings.source) or ""),
        "source_record": SourceRecordResource(path=str(settings.source_record)),
        "scratch": ScratchResource(root=str(settings.home / "scratch")),
        "alerts": _alerts(settings),
        "lake": LakeIOManager(
            url=settings.lake, scratch=str(settings.home / "scratch"), locks=str(settings.home / "locks")
        ),
        "postgres": _postgres(settings),
        "warehouse": _warehouse(settings),
    }


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
        return EmbeddedPostgresIOManager(folder=str(settings.postgres_folder), schema_name=SCHEMA, audit_table=LOAD_LOG)
    url = _secret(settings, "postgres", settings.postgres) or ""
    return PostgresIOManager(url=url, schema_name=SCHEMA, audit_table=LOAD_LOG)


def _warehouse(settings: Settings) -> TableIOManager:
    url = urlsplit(settings.warehouse)
    if url.scheme == "duckdb":
        return DuckDBIOManager(path=str(settings.duckdb_path), schema_name=SCHEMA, audit_table=LOAD_LOG)
    options = dict(parse_qsl(url.query))
    return BigQueryIOManager(
        project=url.netloc,
        dataset=url.path.strip("/"),
        location=options.get("location"),
        require_partition_filter=options.get("require_partition_filter") == "true",
        audit_table=LOAD_LOG,
    )
