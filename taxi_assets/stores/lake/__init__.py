"""The lake: Parquet files by table and month, and the source's own files untouched, on a disk or in a bucket.

`layout` says where things lie, `parquet` how rows are written; `local` and `gcs` make them appear whole, from
`versions` that never change, and in `turns`.
"""

from typing import TYPE_CHECKING, TypeAlias

from taxi_assets.stores.lake.local import LocalLake

if TYPE_CHECKING:
    from taxi_assets.stores.lake.gcs import GCSDraft, GCSLake
    from taxi_assets.stores.lake.local import LocalDraft

    Lake: TypeAlias = LocalLake | GCSLake
    Draft: TypeAlias = LocalDraft | GCSDraft

__all__ = ["LocalLake"]
