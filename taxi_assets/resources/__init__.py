"""Dagster resources: database connections for SQL assets, the stores, the source, scratch folders and alerts.

The connections have the usual names of Dagster projects (`postgres`, `duckdb`, `bigquery`, `gcs`); the IO managers use
them. `google_cloud` needs Google's libraries and is imported only if a setting names one of its services.
"""

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
