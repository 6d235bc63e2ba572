"""The lake: Parquet files by table and month, and the source's own files untouched, in a folder or in a bucket.

`layout` says where things lie and `parquet` how rows are written; `folder` and `gcs` make them appear whole, from
versions that never change; `run_lock` queues runs of one month on one machine.
"""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from taxi_assets.stores.lake.folder.store import LocalDraft, LocalLake
    from taxi_assets.stores.lake.gcs.store import GCSDraft, GCSLake

    Lake: TypeAlias = LocalLake | GCSLake
    Draft: TypeAlias = LocalDraft | GCSDraft
