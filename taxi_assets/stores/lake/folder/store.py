"""The lake on a local disk.

A file is written in a hidden folder and gets a name derived from its content; then one rename makes it current, with
the other members of its group. Readers see the old version or the new one, whole, and an old version stays readable for
a while. A killed writer leaves only hidden folders, which the next one removes.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from taxi_assets.errors import SliceMissing
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.base import Stored, TableSlice, unconditionally
from taxi_assets.stores.lake.folder.draft import LocalDraft
from taxi_assets.stores.lake.folder.loading import moved, written
from taxi_assets.stores.lake.folder.reading import find_row, read_rows, rows_in, verified
from taxi_assets.stores.lake.folder.shared_files import file_versions, update_file
from taxi_assets.stores.lake.folder.tables import Tables
from taxi_assets.stores.lake.folder.versions import Versions
from taxi_assets.stores.lake.layout import group_of, group_of_file, inside, place_of
from taxi_assets.stores.partition import Key, Partition, months_among
from taxi_assets.stores.rows import Rows

__all__ = ["LocalDraft", "LocalLake"]


class LocalLake:
    """A folder of Parquet files, replaced one slice at a time; a table is a path such as `green/clean_trips`.

    Args:
        root: the folder; created where it does not exist.
        key_column: the column of partitions; where rows have it, each must hold its partition's key in it. By default
            `source_month` for months, `window_start` for other windows, `partition_key` for names.
    """

    def __init__(self, root: Path, key_column: str | None = None) -> None:
        self.root = root.absolute()
        self._tables = Tables(self.root, key_column)

    def pinned(self) -> Self:
        """The same lake with repeatable reads: all members of a group are read in the version first seen."""
        pinned = copy.copy(self)
        pinned._tables = Tables(self.root, self._tables.key_column, pinned=True)
        return pinned

    def uri(self, piece: TableSlice) -> str:
        """Where the slice is, or will be: the folder of its partition, or its file."""
        return (self.root / place_of(piece)).as_uri()

    def file_uri(self, folder: str, name: str) -> str:
        """Where the file of that name is, or will be."""
        return (self.root / inside(f"{folder}/{name}")).as_uri()

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """Make the slice hold exactly these rows; until it returns, readers see the old ones.

        Raises:
            SchemaMismatch: Parquet does not have a column's type, a required value is missing, a row is of another
                partition, or the table is one whole and this is a partition, or the other way round.
            Overtaken: another run replaced what the rows were made from.
            StoreUnavailable: the disk is full.
            StoreError: the folder cannot be written.
        """
        versions = Versions(self.root, group_of(piece))
        with written(self._tables, piece, rows) as (keep, stored), versions.locked():
            rows.confirm()
            versions.publish({place_of(piece): keep(versions)})
        return stored

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of these partitions of it, by reference to their files.

        Raises:
            SliceMissing: a partition, or the whole table, does not exist.
            SliceDamaged: a file cannot be read; also while streaming.
            SchemaMismatch: the partitions have no common schema.
        """
        return read_rows(self._tables, table, partitions)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice, by the file's footer; 0 where it does not exist."""
        return rows_in(self._tables.file(piece))

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        return find_row(self._tables.file(piece), key)

    def keys(self, table: str) -> list[Key]:
        """The keys of the table's partitions that exist, in order."""
        return [piece.partition.key for piece in self._tables.slices(table) if piece.partition is not None]

    def months(self, table: str) -> list[Month]:
        """The months of the table that exist, oldest first."""
        return months_among(self.keys(table))

    def put_file(self, folder: str, raw: RawFile, confirm: Callable[[], None] = unconditionally) -> RawFile:
        """Move the file into a folder of the lake, byte for byte, under its own name; `raw.path` no longer exists then.

        Its origin (URL, ETag, …) becomes current with it. `confirm` raises where it must not become current: it is
        called while no other process can publish.
        """
        versions = Versions(self.root, group_of_file(folder, raw.path.name))
        with moved(self._tables, raw) as keep, versions.locked():
            confirm()
            kept = keep(versions)
            versions.publish({inside(f"{folder}/{raw.path.name}"): kept})
        return replace(raw, path=kept)

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name in a folder of the lake, with its origin.

        Raises:
            SliceMissing: it does not exist.
            SliceDamaged: its bytes are not those that were stored, or cannot be read.
        """
        path = self._tables.held(inside(f"{folder}/{name}"))
        if path is None:
            raise SliceMissing(f"the lake has no {folder}/{name}: materialize it first")
        return verified(path, f"{folder}/{name}")

    def file_rows(self, folder: str, name: str) -> int:
        """Rows in a Parquet file of the lake, by its footer; 0 where it does not exist."""
        return rows_in(self._tables.held(inside(f"{folder}/{name}")))

    def file_versions(self, folder: str) -> Mapping[str, str]:
        """Name -> version of each file in a folder of the lake; a file that is replaced gets another version."""
        return file_versions(self.root / inside(folder))

    def update_file(self, folder: str, name: str, change: Callable[[bytes | None], bytes]) -> None:
        """Replace the file's content by what `change` makes of it, so that no update of a concurrent run is lost.

        Such a file has one version, and no origin: it is for what can be made again from the rest of the lake.

        Args:
            folder: a folder of the lake.
            name: the file's name.
            change: called with the content, None where there is no file; called once.

        Raises:
            StoreUnavailable: the disk is full.
            StoreError: the folder cannot be written.
        """
        update_file(self.root, self.root / inside(f"{folder}/{name}"), change)

    def draft(self, piece: TableSlice, key: str, log: Callable[[str], None]) -> LocalDraft:
        """Begin the next version of the slice's group, after other runs of the group on this machine have ended.

        Args:
            piece: the slice that gives the group its name.
            key: identifies the run and its re-executions, which continue the same draft.
            log: called with a line at intervals while another run holds the group's lock.
        """
        return LocalDraft(self._tables, group_of(piece), key, log)
