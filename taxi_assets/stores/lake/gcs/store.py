"""The lake in a bucket of Google Cloud Storage.

Files are uploaded under names that are never used again. Then one commit replaces a small object, the pointer, which
names the current ones; the commit states the generation that it replaces, so that a lost answer or a faster writer is
detected. The objects at the public places are copies, which the service makes afterwards, with the pointer's name in
their metadata; this module reads through the pointer. An interrupted upload never becomes an object; Google drops its
session after a week.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from google.cloud import storage

from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.base import Stored, TableSlice, unconditionally
from taxi_assets.stores.lake.gcs.downloads import Downloads
from taxi_assets.stores.lake.gcs.draft import GCSDraft
from taxi_assets.stores.lake.gcs.loading import upload_file, upload_rows
from taxi_assets.stores.lake.gcs.objects import Objects
from taxi_assets.stores.lake.gcs.reading import fetch_file, find_row, read_rows, rows_at
from taxi_assets.stores.lake.gcs.shared_files import file_versions, update_object
from taxi_assets.stores.lake.gcs.tables import Tables
from taxi_assets.stores.lake.gcs.versions import Versions
from taxi_assets.stores.lake.layout import group_of, group_of_file, inside, path_of
from taxi_assets.stores.lake.run_lock import RunLock
from taxi_assets.stores.partition import Key, Partition, months_among
from taxi_assets.stores.rows import Rows

__all__ = ["GCSDraft", "GCSLake"]


class GCSLake:
    """Objects under `gs://bucket/prefix`, replaced one at a time; a table is a path such as `green/clean_trips`.

    Args:
        client: opens Google's client, at the first request and once; picklable where the lake has to be.
        bucket: the bucket's name; the bucket exists.
        prefix: without slashes at its ends; may be empty.
        scratch: a folder for uploads and downloads; its owner removes it.
        key_column: the column of partitions; where rows have it, each must hold its partition's key in it. By default
            `source_month` for months, `window_start` for other windows, `partition_key` for names.
        patience: seconds to retry a service that does not answer.
        turns: a folder of locks by which runs of one group on this machine queue; None: they do not.
    """

    def __init__(
        self,
        client: Callable[[], storage.Client],
        bucket: str,
        prefix: str,
        scratch: Path,
        key_column: str | None = None,
        *,
        patience: float = 120,
        turns: Path | None = None,
    ) -> None:
        self._objects = Objects(client, bucket, prefix, patience)
        self._downloads = Downloads(self._objects, scratch)
        self._tables = Tables(self._objects, key_column)
        self._turns = turns

    def pinned(self) -> Self:
        """The same lake with repeatable reads: all members of a group are read in the version first seen."""
        pinned = copy.copy(self)
        pinned._tables = Tables(self._objects, self._tables.key_column, pinned=True)
        return pinned

    def uri(self, piece: TableSlice) -> str:
        """Where the slice is, or will be."""
        return self._objects.uri(path_of(piece))

    def file_uri(self, folder: str, name: str) -> str:
        """Where the file of that name is, or will be."""
        return self._objects.uri(inside(f"{folder}/{name}"))

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """Make the slice hold exactly these rows; until it returns, readers see the old ones.

        Raises:
            SchemaMismatch: Parquet does not have a column's type, a required value is missing, a row is of another
                partition, or the table is one whole and this is a partition, or the other way round.
            Overtaken: another run replaced what the rows were made from.
            StoreUnavailable: the service does not answer, or the local disk is full.
            StoreError: the service refuses.
        """
        group = group_of(piece)
        stored, held = upload_rows(self._tables, self._downloads, group, piece, rows)
        Versions(self._objects, group).publish({path_of(piece): held}, rows.confirm)
        return stored

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of these partitions of it, by reference to their objects.

        Raises:
            SliceMissing: a partition, or the whole table, does not exist.
            SchemaMismatch: the partitions have no common schema.
        """
        with self._objects.failures():
            slices = (
                self._tables.slices(table) if partitions is None else [TableSlice(table, one) for one in partitions]
            )
            held = [self._tables.held(path_of(piece)) for piece in slices]
        rows = read_rows(self._tables, self._downloads, table, slices, held)
        if len(slices) != 1:
            return rows
        return rows.confirmed_by(partial(self._tables.require_current, slices[0], held[0]))

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice, by the file's footer; 0 where it does not exist."""
        return rows_at(self._tables, path_of(piece))

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        return find_row(self._tables, path_of(piece), key)

    def keys(self, table: str) -> list[Key]:
        """The keys of the table's partitions that exist, in order."""
        return [piece.partition.key for piece in self._tables.slices(table) if piece.partition is not None]

    def months(self, table: str) -> list[Month]:
        """The months of the table that exist, oldest first."""
        return months_among(self.keys(table))

    def put_file(self, folder: str, raw: RawFile, confirm: Callable[[], None] = unconditionally) -> RawFile:
        """Move the file into a folder of the lake, byte for byte, under its own name; `raw.path` no longer exists then.

        Its origin (URL, ETag, …) is the object's metadata and becomes current with it. The file stays in the scratch
        folder for the next step. `confirm` raises where it must not become current: see `Versions.publish`.
        """
        group = group_of_file(folder, raw.path.name)
        stored, held = upload_file(self._tables, self._downloads, group, raw)
        Versions(self._objects, group).publish({inside(f"{folder}/{raw.path.name}"): held}, confirm)
        return stored

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name in a folder of the lake, downloaded, with its origin.

        Raises:
            SliceMissing: it does not exist.
            SliceDamaged: its bytes are not those that were stored.
        """
        place = inside(f"{folder}/{name}")
        with self._objects.failures():
            held = self._tables.held(place)
        return fetch_file(self._tables, self._downloads, place, held)

    def file_rows(self, folder: str, name: str) -> int:
        """Rows in a Parquet file of the lake, by its footer; 0 where it does not exist."""
        return rows_at(self._tables, inside(f"{folder}/{name}"))

    def file_versions(self, folder: str) -> Mapping[str, str]:
        """Name -> version of each file in a folder of the lake; a file that is replaced gets another version."""
        return file_versions(self._objects, inside(folder))

    def update_file(self, folder: str, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace the file's content by what `change` makes of it, so that no update of a concurrent run is lost.

        Such a file has one version, and no origin: it is for what can be made again from the rest of the lake.

        Args:
            folder: a folder of the lake.
            name: the file's name.
            change: called with the content, None where there is no file; again where another run was faster.

        Raises:
            StoreUnavailable: the service does not answer, or other runs were faster again and again.
            StoreError: the service refuses.
        """
        update_object(self._objects, inside(f"{folder}/{name}"), change)

    def draft(self, piece: TableSlice, key: str, log: Callable[[str], None]) -> GCSDraft:
        """Begin the next version of the slice's group, after other runs of the group on this machine have ended.

        Args:
            piece: the slice that gives the group its name.
            key: identifies the run and its re-executions, which continue the same draft.
            log: called with a line at intervals while another run holds the group's lock.
        """
        group = group_of(piece)
        path = None if self._turns is None else self._turns / quote(self.uri(piece), safe="")
        lock = None if path is None else RunLock(path, str(group), log)
        return GCSDraft(self._tables, self._downloads, group, key, lock)
