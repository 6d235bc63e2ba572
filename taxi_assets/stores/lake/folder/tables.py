"""Tables of a lake in a folder: which file holds a slice in the current version, and which months exist."""

import os
from pathlib import Path

from taxi_assets.errors import Overtaken
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice, other_partitioning
from taxi_assets.stores.lake.layout import MONTH_FOLDER, inside, month_of_folder, path_of, place_of


class Tables:
    """The slices and files that are current.

    Args:
        root: the lake's folder.
        month_column: where rows have this column, each must hold its month's first day in it.
        pinned: look up each group's version once, so that all its members are found in the same version.
    """

    def __init__(self, root: Path, month_column: str, *, pinned: bool = False) -> None:
        self.root = root
        self.month_column = month_column
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

    def months(self, table: str) -> list[Month]:
        """The months of the table that exist, oldest first."""
        folders = (self.root / inside(table)).glob(f"{MONTH_FOLDER}*")
        months = (month_of_folder(folder.name) for folder in folders)
        return sorted(month for month in months if self.file(TableSlice(table, month)) is not None)

    def slices(self, table: str) -> list[TableSlice]:
        """The whole table, or each of its months."""
        whole = TableSlice(table)
        return [whole] if self.file(whole) is not None else [TableSlice(table, month) for month in self.months(table)]

    def require_same_partitioning(self, piece: TableSlice) -> None:
        """Refuse a month of a table that is one whole, and the whole of a table of months.

        Raises:
            SchemaMismatch: the table exists and is partitioned the other way.
        """
        is_other = self.months(piece.table) if piece.month is None else self.file(TableSlice(piece.table)) is not None
        if is_other:
            folder = self.root / inside(piece.table)
            raise other_partitioning(str(folder), "remove it", by_month=piece.month is not None)

    def require_current(self, piece: TableSlice, path: Path) -> None:
        """Make sure that the slice's file is still this one.

        Raises:
            Overtaken: another run has replaced it.
        """
        now = Tables(self.root, self.month_column).file(piece)
        if now is not None and now != path:
            raise Overtaken(
                f"{piece} was replaced in the lake by another run while this one worked on the older version: "
                "what was made of that is not stored; the other run stores what belongs to the newer one"
            )


def file_of(piece: TableSlice, held: Path) -> Path | None:
    """The slice's file, given what lies at its place, a month's folder or the file; None where there is none."""
    if piece.month is None:
        return held
    older = held / Path(path_of(piece)).name  # of the layout without versions
    return older if older.exists() else next(held.glob(f"{older.stem}-*{older.suffix}"), None)
