"""IO managers for a lake of Parquet files, Postgres, BigQuery and DuckDB.

They do not import the catalogue: names come from asset keys and definition metadata, types and comments from the Arrow
schema, months from the partitions. So they work in any project with monthly assets. Those for Google Cloud are imported
on first use.
"""

from typing import TYPE_CHECKING, Any

from taxi_assets.io_managers.lake import LakeIOManager
from taxi_assets.io_managers.tables import DuckDBIOManager, PostgresIOManager

if TYPE_CHECKING:
    from taxi_assets.io_managers.cloud import BigQueryIOManager, GCSLakeIOManager

__all__ = ["BigQueryIOManager", "DuckDBIOManager", "GCSLakeIOManager", "LakeIOManager", "PostgresIOManager"]


def __getattr__(name: str) -> Any:
    if name in ("BigQueryIOManager", "GCSLakeIOManager"):
        from taxi_assets.io_managers import cloud

        return getattr(cloud, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
