"""Tables of a lake in a bucket: names of objects, which object holds a slice now, and which months exist."""

import uuid

from taxi_assets.errors import Overtaken
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice, other_partitioning
from taxi_assets.stores.lake.gcs.manifest import Held, Pointer
from taxi_assets.stores.lake.gcs.objects import Objects
from taxi_assets.stores.lake.layout import CURRENT, MONTH_FOLDER, Group, inside, month_of_folder, path_of

POINTER = "taxi-pointer"  # metadata of the copy at a place: the path of the pointer that names the current object
COPY_OF = "taxi-copy-of"  # metadata of the copy at a place: the object that it is a copy of


class Tables:
    """The slices and files that are current.

    Args:
        objects: of the lake.
        month_column: where rows have this column, each must hold its month's first day in it.
        pinned: read each group's pointer once, so that all its members are found in the same version.
    """

    def __init__(self, objects: Objects, month_column: str, *, pinned: bool = False) -> None:
        self.objects = objects
        self.month_column = month_column
        self._pointers: dict[str, Pointer] | None = {} if pinned else None

    def held(self, place: str) -> Held | None:
        """The object that is current at the place; None where there is none."""
        shown = self.objects.get(place)
        if shown is None:
            return None
        metadata = shown.metadata or {}
        if POINTER in metadata:
            held = self._pointer(metadata[POINTER]).members.get(place)
            if held is not None:
                return held
        # Of an older layout, or uploaded by another program.
        return Held(place, f"generation {shown.generation}", metadata)

    def is_whole(self, table: str) -> bool:
        """True: the table exists and has no months."""
        return self.held(path_of(TableSlice(table))) is not None

    def months(self, table: str) -> list[Month]:
        """The months of the table that exist, oldest first."""
        folder = inside(table)
        with self.objects.failures():
            found = self.objects.list(f"{folder}/{MONTH_FOLDER}", fields="items(name),nextPageToken")
            paths = {self.objects.path(blob) for blob in found}
        months = {month_of_folder(path.removeprefix(f"{folder}/").partition("/")[0]) for path in paths}
        return sorted(month for month in months if path_of(TableSlice(table, month)) in paths)

    def slices(self, table: str) -> list[TableSlice]:
        """The whole table, or each of its months."""
        if self.is_whole(table):
            return [TableSlice(table)]
        return [TableSlice(table, month) for month in self.months(table)]

    def require_same_partitioning(self, piece: TableSlice) -> None:
        """Refuse a month of a table that is one whole, and the whole of a table of months.

        Raises:
            SchemaMismatch: the table exists and is partitioned the other way.
        """
        with self.objects.failures():
            is_other = self.months(piece.table) if piece.month is None else self.is_whole(piece.table)
        if is_other:
            folder = self.objects.uri(inside(piece.table))
            remedy = f"remove it (gcloud storage rm --recursive {folder})"
            raise other_partitioning(folder, remedy, by_month=piece.month is not None)

    def require_current(self, piece: TableSlice, before: Held | None) -> None:
        """Make sure that the slice still has the content that it had before.

        Raises:
            Overtaken: another run has replaced it.
        """
        with self.objects.failures():
            now = Tables(self.objects, self.month_column).held(path_of(piece))
        if now is not None and before is not None and now.digest != before.digest:
            raise Overtaken(
                f"{piece} was replaced in the lake by another run while this one worked on the older version: "
                "what was made of that is not stored; the other run stores what belongs to the newer one"
            )

    def _pointer(self, path: str) -> Pointer:
        if self._pointers is None:
            return read_pointer(self.objects, path)[0]
        if path not in self._pointers:
            self._pointers[path] = read_pointer(self.objects, path)[0]
        return self._pointers[path]


def read_pointer(objects: Objects, path: str) -> tuple[Pointer, int]:
    """The pointer and its generation; an empty one and 0 where it does not exist."""
    found = objects.peek(path, lambda file: file.read())
    if found is None:
        return Pointer(), 0
    return Pointer.from_json(found.value, found.updated.timestamp()), found.generation


def pointer_of(group: Group) -> str:
    """The path of the group's pointer."""
    return f"{group.folder}/{CURRENT}.json"


def drafts_of(group: Group) -> str:
    """The folder of the group's drafts."""
    return f"{group.folder}/drafts/"


def new_object(group: Group, digest: str, name: str) -> str:
    """A path that was never used before, so that no other process removes or replaces what is written there."""
    return f"{group.folder}/files/{digest}-{uuid.uuid4().hex[:12]}/{name}"
