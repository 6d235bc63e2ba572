"""Dagster resources: connections for anybody's SQL asset, the stores, the source, scratch folders and alerts.

The connections have the names that every Dagster project uses (`postgres`, `duckdb`, `bigquery`, `gcs`), and the IO
managers sit on top of them. What needs Google's libraries is in `google`, which only a setting that names one of its
services imports.
"""

from taxi_assets.resources.alerts import AlertResource
from taxi_assets.resources.duckdb import DuckDBResource
from taxi_assets.resources.postgres import PostgresResource
from taxi_assets.resources.source import (
    DOWNLOADS,
    ScratchResource,
    SourceRecordResource,
    SourceResource,
    log_progress,
)
from taxi_assets.resources.stores import StoresResource

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
