"""Tables of a lake in a folder: which file holds a slice in the current version, and which partitions exist."""

import os
from pathlib import Path

from taxi_assets.errors import Overtaken
from taxi_assets.stores.base import TableSlice, other_partitioning
from taxi_assets.stores.lake.layout import inside, partition_of_folder, path_of, place_of
from taxi_assets.stores.partition import in_order, require_no_overlap


class Tables:
    """The slices and files that are current.

    Args:
        root: the lake's folder.
        key_column: where rows have this column, each must hold its partition's key in it.
        pinned: look up each group's version once, so that all its members are found in the same version.
    """

    def __init__(self, root: Path, key_column: str | None, *, pinned: bool = False) -> None:
        self.root = root
        self.key_column = key_column
        self._versions: dict[str, str] | None = {} if pinned else None

    def held(self, place: str) -> Path | None:
        """The file or folder at the place in the current version; None where there is none."""
        path = self.root / place
        if self._versions is not None and path.is_symlink():
            through = Path(os.path.realpath(path.parent), path.readlink())
            current = os.path.normpath(through.parent)
            path = Path(self._versions.setdefault(current, os.path.realpath(current)), through.name)
        found = Path(os.path.realpath(path)) if path.is_symlink() else path
        return found if found.exists() else None

    def file(self, piece: TableSlice) -> Path | None:
        """The slice's file in the current version, under a name that does not change."""
        held = self.held(place_of(piece))
        return None if held is None else file_of(piece, held)

    def slices(self, table: str) -> list[TableSlice]:
        """The whole table, or each of its partitions that exist, in the order of their keys."""
        whole = TableSlice(table)
        if self.file(whole) is not None:
            return [whole]
        found = (partition_of_folder(folder.name) for folder in (self.root / inside(table)).glob("*=*"))
        held = in_order(one for one in found if one is not None)
        return [piece for piece in (TableSlice(table, one) for one in held) if self.file(piece) is not None]

    def require_same_partitioning(self, piece: TableSlice) -> None:
        """Refuse a partition of a table that is one whole or has partitions of another kind, and the reverse.

        Raises:
            SchemaMismatch: the table exists and is partitioned in another way.
        """
        folder = self.root / inside(piece.table)
        held = self.slices(piece.table)
        if held and held[0].kind != piece.kind:
            raise other_partitioning(str(folder), "remove it", holds=held[0].kind, wanted=piece.kind)
        if piece.partition is not None:
            require_no_overlap(str(folder), (one.partition.key for one in held if one.partition), piece.partition)

    def require_current(self, piece: TableSlice, path: Path) -> None:
        """Make sure that the slice's file is still this one.

        Raises:
            Overtaken: another run has replaced it.
        """
        now = Tables(self.root, self.key_column).file(piece)
        if now is not None and now != path:
            raise Overtaken(
                f"{piece} was replaced in the lake by another run while this one worked on the older version: "
                "what was made of that is not stored; the other run stores what belongs to the newer one"
            )


def file_of(piece: TableSlice, held: Path) -> Path | None:
    """The slice's file, given what lies at its place, a partition's folder or the file; None where there is none."""
    if piece.partition is None:
        return held
    older = held / Path(path_of(piece)).name  # of the layout without versions
    return older if older.exists() else next(held.glob(f"{older.stem}-*{older.suffix}"), None)
