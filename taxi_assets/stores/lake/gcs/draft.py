"""Drafts in a bucket: the next version of a group, invisible until it is published."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from urllib.parse import quote

from taxi_assets.raw_file import RawFile
from taxi_assets.stores.base import Stored, TableSlice, unconditionally
from taxi_assets.stores.lake.gcs.downloads import Downloads
from taxi_assets.stores.lake.gcs.loading import upload_file, upload_rows
from taxi_assets.stores.lake.gcs.manifest import Held
from taxi_assets.stores.lake.gcs.reading import fetch_file, read_rows
from taxi_assets.stores.lake.gcs.tables import Tables, drafts_of
from taxi_assets.stores.lake.gcs.versions import Versions
from taxi_assets.stores.lake.layout import Group, inside, path_of
from taxi_assets.stores.lake.run_lock import RunLock
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.rows import Rows


class GCSDraft:
    """The next version of a group; created by `GCSLake.draft`."""

    def __init__(self, tables: Tables, downloads: Downloads, group: Group, key: str, lock: RunLock | None) -> None:
        self._tables = tables
        self._objects = tables.objects
        self._downloads = downloads
        self._group = group
        self._path = f"{drafts_of(group)}{quote(key, safe='')}.json"
        self._lock = lock
        self._members: dict[str, Held] = {}

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """As `GCSLake.replace`, to become current with the others."""
        stored, held = upload_rows(self._tables, self._downloads, self._group, piece, rows)
        self._add(path_of(piece), held)
        return stored

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """As `GCSLake.put_file`, to become current with the others."""
        stored, held = upload_file(self._tables, self._downloads, self._group, raw)
        self._add(inside(f"{folder}/{raw.path.name}"), held)
        return stored

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name that becomes current with the others.

        It is the one that was put here, or that an earlier run left in a draft when it failed, or the current one.

        Raises:
            SliceMissing: it does not exist.
            SliceDamaged: its bytes are not those that were stored.
        """
        place = inside(f"{folder}/{name}")
        return fetch_file(self._tables, self._downloads, place, self._found(place))

    def read(self, table: str, partitions: Sequence[Partition] | None = None) -> Rows:
        """The rows of the table, or of its partition, that become current with the others: see `get_file`.

        Raises:
            SliceMissing: they do not exist.
        """
        [piece] = [TableSlice(table)] if partitions is None else [TableSlice(table, one) for one in partitions]
        return read_rows(self._tables, self._downloads, table, [piece], [self._found(path_of(piece))])

    def publish(self, confirm: Callable[[], None] = unconditionally) -> None:
        """Make everything current, in one step: see `Versions.publish`."""
        Versions(self._objects, self._group).publish(self._members, confirm)
        with self._objects.failures():
            for path in self._drafts():
                self._objects.delete(self._objects.blob(path))

    def end(self) -> None:
        """Release the group's lock for the next run; what is not published stays a draft."""
        if self._lock is not None:
            self._lock.release()

    def _add(self, place: str, held: Held) -> None:
        self._members[place] = held
        self._write(self._path, self._members, tried=())

    def _found(self, place: str) -> Held | None:
        if place in self._members:
            return self._members[place]
        with self._objects.failures():
            found = self._drafted(place) or self._tables.held(place)
        if found is not None:
            self._members[place] = found  # published with what is made from it, in place of any newer one
        return found

    def _drafted(self, place: str) -> Held | None:
        """What this run's draft holds at the place, or else the newest draft from which no run has tried it."""
        drafts = self._drafts()
        own = [self._path] if self._path in drafts else []
        for path in (*own, *(one for one in reversed(drafts) if one != self._path)):
            draft = self._objects.peek(path, lambda file: json.loads(file.read()))
            if draft is None or place not in draft.value["members"]:
                continue
            tried = draft.value["tried"]
            if path == self._path or place not in tried:
                members = {key: Held(**held) for key, held in draft.value["members"].items()}
                self._write(path, members, tried=(*tried, place))
                return members[place]
        return None

    def _drafts(self) -> list[str]:
        """The paths of the group's drafts, the newest last."""
        blobs = list(self._objects.list(drafts_of(self._group)))
        return [self._objects.path(blob) for blob in sorted(blobs, key=lambda blob: blob.updated)]

    def _write(self, path: str, members: Mapping[str, Held], tried: Sequence[str]) -> None:
        draft = {"members": {place: asdict(held) for place, held in members.items()}, "tried": list(tried)}
        with self._objects.failures():
            self._objects.write_text(path, json.dumps(draft))
