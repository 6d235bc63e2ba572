"""Rows and files into a bucket: uploaded under a new name, which no version refers to yet."""

import shutil
from dataclasses import replace
from pathlib import PurePosixPath

from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.arrow import of_partition
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.lake.gcs.downloads import Downloads
from taxi_assets.stores.lake.gcs.manifest import Held
from taxi_assets.stores.lake.gcs.tables import Tables, new_object
from taxi_assets.stores.lake.layout import Group, path_of
from taxi_assets.stores.lake.parquet import write_parquet
from taxi_assets.stores.rows import Rows

_DIGEST = 20  # hexadecimal digits, of the 64, in names of objects
_ORIGIN = ("url", "sha256", "rows", "etag", "last_modified")


def upload_rows(
    tables: Tables, downloads: Downloads, group: Group, piece: TableSlice, rows: Rows
) -> tuple[Stored, Held]:
    """Upload the rows as a Parquet object of the group.

    Raises:
        SchemaMismatch: Parquet does not have a column's type, a required value is missing, a row is of another
            partition, or the table is partitioned in another way.
        Overtaken: another run replaced what the rows were made from.
        StoreUnavailable: the service does not answer, or the local disk is full.
        StoreError: the service refuses.
    """
    rows = of_partition(rows, tables.key_column, piece.partition)
    tables.require_same_partitioning(piece)
    with downloads.temporary_folder() as folder:
        written = folder / "rows.parquet"
        count = write_parquet(rows, written)
        size = written.stat().st_size
        digest = sha256_of(written)[:_DIGEST]
        rows.confirm()
        name = PurePosixPath(path_of(piece)).name
        held = Held(new_object(group, digest, name), digest, {"rows": str(count)})
        with tables.objects.failures():
            tables.objects.upload(held.object, written, held.facts)
    return Stored(count, size, rows.schema, {field.name: str(field.type) for field in rows.schema}), held


def upload_file(tables: Tables, downloads: Downloads, group: Group, raw: RawFile) -> tuple[RawFile, Held]:
    """Upload the file as an object of the group, and move it to the downloads, where the next step finds it.

    Its origin becomes the object's metadata.
    """
    origin = {key: str(getattr(raw, key)) for key in _ORIGIN if getattr(raw, key) is not None}
    held = Held(new_object(group, raw.sha256[:_DIGEST], raw.path.name), raw.sha256, origin)
    with tables.objects.failures():
        generation = tables.objects.upload(held.object, raw.path, origin)
    kept = downloads.kept(generation, raw.path.name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(raw.path, kept)
    return replace(raw, path=kept), held
