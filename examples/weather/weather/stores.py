"""Where the rows go: four choices, each with an IO manager for `places` and one for `series`.

An IO manager is imported where it is chosen, since each has an extra: `pip install 'taxi_assets[postgres]'`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

Managers = Mapping[str, dg.ConfigurableIOManager]


def duckdb() -> Managers:
    """Tables in a DuckDB file."""
    from taxi_assets.io_managers import DuckDBIOManager
    from taxi_assets.resources import DuckDBResource

    file = Path(os.environ.get("WEATHER_FOLDER", "data")) / "warehouse.duckdb"
    tables = DuckDBIOManager(duckdb=DuckDBResource(database=str(file)), schema_name="weather")
    return {"places": tables, "series": tables}


def postgres() -> Managers:
    """Tables on a PostgreSQL server."""
    from taxi_assets.io_managers import PostgresIOManager
    from taxi_assets.resources import PostgresResource

    tables = PostgresIOManager(postgres=PostgresResource(url=dg.EnvVar("WEATHER_POSTGRES")), schema_name="weather")
    return {"places": tables, "series": tables}


def lake() -> Managers:
    """Parquet in a folder."""
    from taxi_assets.io_managers import LakeIOManager

    files = LakeIOManager(folder=str(Path(os.environ.get("WEATHER_FOLDER", "data")) / "lake"))
    return {"places": files, "series": files}


def google() -> Managers:
    """Tables in BigQuery. It has no partitions by name, so that the stations are Parquet in a bucket."""
    from taxi_assets.io_managers import BigQueryIOManager, GCSLakeIOManager
    from taxi_assets.resources.google_cloud import BigQueryResource, GCSResource

    project, bucket = os.environ["WEATHER_PROJECT"], os.environ["WEATHER_BUCKET"]
    return {
        "places": GCSLakeIOManager(gcs=GCSResource(project=project), url=f"gs://{bucket}/lake"),
        "series": BigQueryIOManager(bigquery=BigQueryResource(project=project, location="US"), dataset="weather"),
    }


STORES = {"duckdb": duckdb, "postgres": postgres, "lake": lake, "google": google}
