"""IO managers for a lake of Parquet files, Postgres, BigQuery and DuckDB.

They do not import the catalogue: names come from asset keys and definition metadata, types and comments from the Arrow
schema, keys from the partitions. So they work in any project. Each is imported on first use, so that none needs the
libraries of another.
"""

from typing import TYPE_CHECKING

from taxi_assets.extras import imported_on_first_use

if TYPE_CHECKING:
    from taxi_assets.io_managers.cloud import BigQueryIOManager, GCSLakeIOManager
    from taxi_assets.io_managers.duckdb_file import DuckDBIOManager
    from taxi_assets.io_managers.lake import LakeIOManager
    from taxi_assets.io_managers.tables import PostgresIOManager
    from taxi_assets.io_managers.validation import storable

__all__ = ["BigQueryIOManager", "DuckDBIOManager", "GCSLakeIOManager", "LakeIOManager", "PostgresIOManager", "storable"]
_MODULES = {
    "BigQueryIOManager": "cloud",
    "DuckDBIOManager": "duckdb_file",
    "GCSLakeIOManager": "cloud",
    "LakeIOManager": "lake",
    "PostgresIOManager": "tables",
    "storable": "validation",
}
_EXTRAS = {
    "BigQueryIOManager": "bigquery",
    "DuckDBIOManager": "duckdb",
    "GCSLakeIOManager": "gcs",
    "PostgresIOManager": "postgres",
}

__getattr__ = imported_on_first_use(__name__, _MODULES, _EXTRAS)
