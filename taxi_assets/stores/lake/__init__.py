"""The lake: Parquet files by table and partition, and the source's files byte for byte, in a folder or in a bucket.

`layout` defines the paths and `parquet` the file format; `folder` and `gcs` replace versions atomically; `run_lock`
queues the runs of one partition on one machine.
"""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from taxi_assets.stores.lake.folder.store import LocalDraft, LocalLake
    from taxi_assets.stores.lake.gcs.store import GCSDraft, GCSLake

    Lake: TypeAlias = LocalLake | GCSLake
    Draft: TypeAlias = LocalDraft | GCSDraft
