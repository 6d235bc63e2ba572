"""Dagster resources: database connections for SQL assets, the stores, the source, scratch folders and alerts.

The connections have the usual names of Dagster projects (`postgres`, `duckdb`, `bigquery`, `gcs`); the IO managers use
them. `google_cloud` needs Google's libraries and is imported only if a setting names one of its services. Each of the
others is imported on first use, so that none needs the libraries of another.
"""

from typing import TYPE_CHECKING

from taxi_assets.extras import imported_on_first_use

if TYPE_CHECKING:
    from taxi_assets.resources.duckdb import DuckDBResource
    from taxi_assets.resources.ingest import (
        DOWNLOADS,
        ScratchResource,
        SourceRecordResource,
        SourceResource,
        log_progress,
    )
    from taxi_assets.resources.postgres import PostgresResource
    from taxi_assets.resources.stores import StoresResource
    from taxi_assets.resources.webhook import AlertResource

__all__ = [
    "DOWNLOADS",
    "AlertResource",
    "DuckDBResource",
    "PostgresResource",
    "ScratchResource",
    "SourceRecordResource",
    "SourceResource",
    "StoresResource",
    "log_progress",
]
_MODULES = {
    "DOWNLOADS": "ingest",
    "AlertResource": "webhook",
    "DuckDBResource": "duckdb",
    "PostgresResource": "postgres",
    "ScratchResource": "ingest",
    "SourceRecordResource": "ingest",
    "SourceResource": "ingest",
    "StoresResource": "stores",
    "log_progress": "ingest",
}
_EXTRAS = {"DuckDBResource": "duckdb", "PostgresResource": "postgres"}

__getattr__ = imported_on_first_use(__name__, _MODULES, _EXTRAS)
