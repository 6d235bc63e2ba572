"""Drafts in a folder: the next version of a group, invisible until it is published."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from taxi_assets.errors import SliceMissing
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.base import Stored, TableSlice, unconditionally
from taxi_assets.stores.lake.folder.loading import moved, written
from taxi_assets.stores.lake.folder.reading import verified
from taxi_assets.stores.lake.folder.tables import Tables, file_of
from taxi_assets.stores.lake.folder.versions import Versions
from taxi_assets.stores.lake.layout import Group, inside, place_of
from taxi_assets.stores.lake.run_lock import RunLock
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.rows import Rows


class LocalDraft:
    """The next version of a group; created by `LocalLake.draft`."""

    def __init__(self, tables: Tables, group: Group, key: str, log: Callable[[str], None]) -> None:
        self._tables = tables
        self._key = key
        self._members: dict[str, Path] = {}
        with disk_failures(tables.root):
            self._versions = Versions(tables.root, group)
            self._lock = RunLock(self._versions.folder / "turn", str(group), log)

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """As `LocalLake.replace`, to become current with the others."""
        with written(self._tables, piece, rows) as (keep, stored), self._versions.locked():
            self._add(place_of(piece), keep(self._versions))
        return stored

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """As `LocalLake.put_file`, to become current with the others."""
        with moved(self._tables, raw) as keep, self._versions.locked():
            kept = keep(self._versions)
            self._add(inside(f"{folder}/{raw.path.name}"), kept)
        return replace(raw, path=kept)

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name that becomes current with the others.

        It is the one that was put here, or that an earlier run left in a draft when it failed, or the current one.

        Raises:
            SliceMissing: it does not exist.
            SliceDamaged: its bytes are not those that were stored, or cannot be read.
        """
        place = inside(f"{folder}/{name}")
        found = self._found(place)
        if found is None:
            raise SliceMissing(f"the lake has no {place}: materialize it first")
        return verified(found, place)

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of its partition, that become current with the others: see `get_file`.

        Raises:
            SliceMissing: they do not exist.
        """
        [piece] = [TableSlice(table)] if partitions is None else [TableSlice(table, one) for one in partitions]
        found = self._found(place_of(piece))
        file = None if found is None else file_of(piece, found)
        if file is None:
            raise SliceMissing(f"the lake has no {piece}: materialize it first")
        return Rows.from_parquet([file])

    def publish(self, confirm: Callable[[], None] = unconditionally) -> None:
        """Make everything current, in one step.

        Args:
            confirm: raises where it must not become current; called while no other process can publish.

        Raises:
            StoreUnavailable: the disk is full.
        """
        with disk_failures(self._tables.root), self._versions.locked():
            confirm()
            self._versions.drop_drafts()
            self._versions.publish(self._members)

    def end(self) -> None:
        """Release the group's lock for the next run; what is not published stays a draft."""
        self._lock.release()

    def _found(self, place: str) -> Path | None:
        with self._versions.locked():
            found = (
                self._members.get(place) or self._versions.draft(self._key).get(place) or self._versions.untried(place)
            )
            if found is not None:
                self._versions.mark_tried(place, found)
            else:
                self._versions.take_over([place])
        found = found or self._tables.held(place)
        if found is not None:
            self._members[place] = found  # published with what is made from it, in place of any newer one
        return found

    def _add(self, place: str, member: Path) -> None:
        self._members[place] = member
        self._versions.add_to_draft(self._key, place, member)
