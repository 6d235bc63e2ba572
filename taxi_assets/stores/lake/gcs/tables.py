"""Tables of a lake in a bucket: names of objects, which object holds a slice now, and which partitions exist."""

import uuid

from taxi_assets.errors import Overtaken
from taxi_assets.stores.base import TableSlice, other_partitioning
from taxi_assets.stores.lake.gcs.manifest import Held, Pointer
from taxi_assets.stores.lake.gcs.objects import Objects
from taxi_assets.stores.lake.layout import CURRENT, Group, inside, partition_of_folder, path_of
from taxi_assets.stores.partition import in_order, require_no_overlap

POINTER = "taxi-pointer"  # metadata of the copy at a place: the path of the pointer that names the current object
COPY_OF = "taxi-copy-of"  # metadata of the copy at a place: the object that it is a copy of


class Tables:
    """The slices and files that are current.

    Args:
        objects: of the lake.
        key_column: where rows have this column, each must hold its partition's key in it.
        pinned: read each group's pointer once, so that all its members are found in the same version.
    """

    def __init__(self, objects: Objects, key_column: str | None, *, pinned: bool = False) -> None:
        self.objects = objects
        self.key_column = key_column
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

    def slices(self, table: str) -> list[TableSlice]:
        """The whole table, or each of its partitions that exist, in the order of their keys."""
        folder = inside(table)
        with self.objects.failures():
            found = self.objects.list(f"{folder}/", fields="items(name),nextPageToken")
            paths = {self.objects.path(blob) for blob in found}
        if path_of(TableSlice(table)) in paths:
            return [TableSlice(table)]
        names = {path.removeprefix(f"{folder}/").partition("/")[0] for path in paths}
        held = in_order(one for one in map(partition_of_folder, names) if one is not None)
        return [piece for piece in (TableSlice(table, one) for one in held) if path_of(piece) in paths]

    def require_same_partitioning(self, piece: TableSlice) -> None:
        """Refuse a partition of a table that is one whole or has partitions of another kind, and the reverse.

        Raises:
            SchemaMismatch: the table exists and is partitioned in another way.
        """
        held = self.slices(piece.table)
        folder = self.objects.uri(inside(piece.table))
        if held and held[0].kind != piece.kind:
            remedy = f"remove it (gcloud storage rm --recursive {folder})"
            raise other_partitioning(folder, remedy, holds=held[0].kind, wanted=piece.kind)
        if piece.partition is not None:
            require_no_overlap(folder, (one.partition.key for one in held if one.partition), piece.partition)

    def require_current(self, piece: TableSlice, before: Held | None) -> None:
        """Make sure that the slice still has the content that it had before.

        Raises:
            Overtaken: another run has replaced it.
        """
        with self.objects.failures():
            now = Tables(self.objects, self.key_column).held(path_of(piece))
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
