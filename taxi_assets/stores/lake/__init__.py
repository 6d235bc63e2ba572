"""The lake: Parquet files by table and month, and the source's own files untouched, on a disk or in a bucket.

`layout` says where things lie, `parquet` how rows are written; `local` and `gcs` make them appear whole.
"""

from typing import TYPE_CHECKING, TypeAlias

from taxi_assets.stores.lake.local import LocalLake

if TYPE_CHECKING:
    from taxi_assets.stores.lake.gcs import GCSLake

    Lake: TypeAlias = LocalLake | GCSLake

__all__ = ["LocalLake"]
