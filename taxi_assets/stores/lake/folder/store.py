"""The lake on a local disk.

A file is written in a hidden folder and gets a name that says what is in it; then one rename makes it current, together
with what belongs to it. Whoever reads sees the old version or the new one, whole, and what they have found stays
readable for a while. A writer that was killed leaves only hidden folders, which the next one removes.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from taxi_assets.errors import Overtaken, SliceDamaged, SliceMissing
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.arrow import of_month
from taxi_assets.stores.base import Stored, TableSlice, other_partitioning
from taxi_assets.stores.lake.folder.versions import Versions, origin_of, sync
from taxi_assets.stores.lake.layout import (
    MONTH_FOLDER,
    Group,
    group_of,
    group_of_file,
    inside,
    month_of_folder,
    path_of,
    place_of,
)
from taxi_assets.stores.lake.parquet import common_schema, find_row, write_parquet
from taxi_assets.stores.lake.run_lock import Turn
from taxi_assets.stores.os_errors import disk_failures, file_failures
from taxi_assets.stores.rows import Rows, schema_of_parquet
from taxi_assets.stores.scratch import scratch_folder

_DIGEST = 20  # hexadecimal digits, of the 64, that names of files tell


class LocalLake:
    """A folder of Parquet files, replaced one slice at a time; the table is a path such as `clean/green_trips`.

    Args:
        root: the folder; made where it is missing.
        month_column: where the rows have this column, each holds its month's first day in it, as in the tables.
    """

    def __init__(self, root: Path, month_column: str = "source_month") -> None:
        self.root = root.absolute()
        self._month_column = month_column
        self._seen: dict[str, str] | None = None

    def pinned(self) -> Self:
        """The same lake for one look at it: what becomes current together is found in one version, however long."""
        pinned = type(self)(self.root, self._month_column)
        pinned._seen = {}
        return pinned

    def uri(self, piece: TableSlice) -> str:
        """Where the slice is, or will be: the folder of its month, or its file."""
        return (self.root / place_of(piece)).as_uri()

    def file_uri(self, folder: str, name: str) -> str:
        """Where the file of that name is, or will be."""
        return (self.root / inside(f"{folder}/{name}")).as_uri()

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """Make the slice hold exactly these rows; until it returns, readers see the old ones.

        Raises:
            SchemaMismatch: Parquet does not have a column's type, a column lacks a value that it must have, a row is of
                another month, or the table is one whole and this is a month, or the other way round.
            Overtaken: what the rows were made from is not current any more.
            StoreUnavailable: the disk is full.
            StoreError: the folder may not be written.
        """
        versions = Versions(self.root, group_of(piece))
        with self._written(piece, rows) as (keep, stored), versions.locked():
            versions.publish({place_of(piece): keep(versions)})
        return stored

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it, by reference to their files.

        Raises:
            SliceMissing: a month, or the whole table, is not there.
            SliceDamaged: a file cannot be read; also while its rows are.
            SchemaMismatch: the months have no schema in common.
        """
        pieces = [TableSlice(table, month) for month in months] if months is not None else self._pieces(table)
        found = [(piece, self._file(piece)) for piece in pieces]
        missing = [str(piece) for piece, path in found if path is None]
        if missing or not found:
            raise SliceMissing(f"the lake has no {', '.join(missing) or table}: materialize it first")
        paths = [path for _, path in found if path is not None]
        if len(paths) == 1:
            return Rows.from_parquet(paths).confirmed_by(partial(self._require_current, pieces[0], paths[0]))
        return Rows.from_parquet(paths, common_schema([schema_of_parquet(path) for path in paths], table))

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice, by the file's footer; 0 where there is none."""
        return _rows_in(self._file(piece))

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        path = self._file(piece)
        if path is None:
            return None
        with file_failures(path), path.open("rb") as file:
            return find_row(file, key)

    def months(self, table: str) -> list[Month]:
        """The months of the table that are there, oldest first."""
        folders = (self.root / inside(table)).glob(f"{MONTH_FOLDER}*")
        months = (month_of_folder(folder.name) for folder in folders)
        return sorted(month for month in months if self._file(TableSlice(table, month)) is not None)

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """Take the file over into a folder of the lake, byte for byte, under its own name; `raw.path` is gone then.

        What is known of its origin becomes current with it.
        """
        versions = Versions(self.root, group_of_file(folder, raw.path.name))
        with self._staged(raw) as keep, versions.locked():
            kept = keep(versions)
            versions.publish({inside(f"{folder}/{raw.path.name}"): kept})
        return replace(raw, path=kept)

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name in a folder of the lake, with what is known of its origin.

        Raises:
            SliceMissing: it is not there.
            SliceDamaged: its bytes are not those that were stored, or cannot be read.
        """
        path = self._held(inside(f"{folder}/{name}"))
        if path is None:
            raise SliceMissing(f"the lake has no {folder}/{name}: materialize it first")
        return _verified(path, f"{folder}/{name}")

    def file_rows(self, folder: str, name: str) -> int:
        """Rows in a Parquet file of the lake, by its footer; 0 where there is none."""
        return _rows_in(self._held(inside(f"{folder}/{name}")))

    def draft(self, piece: TableSlice, key: str, tell: Callable[[str], None]) -> "LocalDraft":
        """Begin the next version of what becomes current with the slice, when it is our turn.

        Args:
            piece: the slice that the others belong to.
            key: tells who goes on with it in another process: the run, and those that are made in its place.
            tell: called with a line while others, on this machine, make a version.
        """
        return LocalDraft(self, group_of(piece), key, tell)

    @contextmanager
    def _written(self, piece: TableSlice, rows: Rows) -> Iterator[tuple[Callable[[Versions], Path], Stored]]:
        """The rows on the disk, what keeps them among a group's versions, and what is told of them."""
        rows = of_month(rows, self._month_column, piece.month)
        self._require_same_partitioning(piece)
        with self._incoming() as folder:
            written = folder / "rows.parquet"
            count = write_parquet(rows, written)
            size = written.stat().st_size
            sync(written)
            digest = sha256_of(written)[:_DIGEST]
            rows.confirm()
            name = Path(path_of(piece))

            def keep(versions: Versions) -> Path:
                kept = versions.keep(written, digest, f"{name.stem}-{digest}{name.suffix}")
                return kept if piece.month is None else kept.parent

            yield keep, Stored(count, size, rows.schema, {field.name: str(field.type) for field in rows.schema})

    @contextmanager
    def _staged(self, raw: RawFile) -> Iterator[Callable[[Versions], Path]]:
        with self._incoming() as incoming:
            staged, origin = incoming / "file", incoming / "origin"
            shutil.move(raw.path, staged)
            known = json.dumps({key: value for key, value in asdict(raw).items() if key not in ("path", "size")})
            origin.write_text(known)
            sync(staged)
            sync(origin)
            digest = f"{raw.sha256[:_DIGEST]}-{sha256_of(origin)[:8]}"
            yield lambda versions: versions.keep(staged, digest, raw.path.name, origin)

    def _require_same_partitioning(self, piece: TableSlice) -> None:
        is_other = self.months(piece.table) if piece.month is None else self._file(TableSlice(piece.table)) is not None
        if is_other:
            folder = self.root / inside(piece.table)
            raise other_partitioning(str(folder), "remove it", by_month=piece.month is not None)

    def _pieces(self, table: str) -> list[TableSlice]:
        whole = TableSlice(table)
        return [whole] if self._file(whole) is not None else [TableSlice(table, month) for month in self.months(table)]

    def _file(self, piece: TableSlice) -> Path | None:
        """The slice's file in the version that is current, by the name that it keeps."""
        held = self._held(place_of(piece))
        return None if held is None else _file_of(piece, held)

    def _held(self, place: str) -> Path | None:
        """What is at the place in the version that is current; None where nothing is."""
        path = self.root / place
        if self._seen is not None and path.is_symlink():
            through = Path(os.path.realpath(path.parent), path.readlink())
            current = os.path.normpath(through.parent)
            path = Path(self._seen.setdefault(current, os.path.realpath(current)), through.name)
        found = Path(os.path.realpath(path)) if path.is_symlink() else path
        return found if found.exists() else None

    def _require_current(self, piece: TableSlice, path: Path) -> None:
        now = type(self)(self.root)._file(piece)
        if now is not None and now != path:
            raise Overtaken(
                f"{piece} was replaced in the lake by another run while this one worked on the older version: "
                "what was made of that is not stored; the other run stores what belongs to the newer one"
            )

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        with disk_failures(self.root), scratch_folder(self.root / ".incoming") as folder:
            yield folder


class LocalDraft:
    """The next version of a group, which nobody sees before it is published; made by `LocalLake.draft`."""

    def __init__(self, lake: LocalLake, group: Group, key: str, tell: Callable[[str], None]) -> None:
        self._lake = lake
        self._key = key
        self._members: dict[str, Path] = {}
        with disk_failures(lake.root):
            self._versions = Versions(lake.root, group)
            self._turn = Turn(self._versions.folder / "turn", str(group), tell)

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """As `LocalLake.replace`, to become current with the others."""
        with self._lake._written(piece, rows) as (keep, stored), self._versions.locked():
            self._add(place_of(piece), keep(self._versions))
        return stored

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """As `LocalLake.put_file`, to become current with the others."""
        with self._lake._staged(raw) as keep, self._versions.locked():
            kept = keep(self._versions)
            self._add(inside(f"{folder}/{raw.path.name}"), kept)
        return replace(raw, path=kept)

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name that becomes current with the others.

        It is the one that was put here; or that a run which ended before it got further has left for others to go on
        with; or the current one.

        Raises:
            SliceMissing: it is not there.
            SliceDamaged: its bytes are not those that were stored, or cannot be read.
        """
        place = inside(f"{folder}/{name}")
        found = self._found(place)
        if found is None:
            raise SliceMissing(f"the lake has no {place}: materialize it first")
        return _verified(found, place)

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of its month, that become current with the others: see `get_file`.

        Raises:
            SliceMissing: they are not there.
        """
        [piece] = [TableSlice(table)] if months is None else [TableSlice(table, month) for month in months]
        found = self._found(place_of(piece))
        file = None if found is None else _file_of(piece, found)
        if file is None:
            raise SliceMissing(f"the lake has no {piece}: materialize it first")
        return Rows.from_parquet([file])

    def publish(self) -> None:
        """Make everything current, in one step.

        Raises:
            StoreUnavailable: the disk is full.
        """
        with disk_failures(self._lake.root), self._versions.locked():
            self._versions.drop_drafts()
            self._versions.publish(self._members)

    def end(self) -> None:
        """Let the next run of the group go ahead; what is not published stays a draft."""
        self._turn.end()

    def _found(self, place: str) -> Path | None:
        with self._versions.locked():
            found = (
                self._members.get(place) or self._versions.draft(self._key).get(place) or self._versions.waiting(place)
            )
            if found is not None:
                self._versions.note_tried(place, found)
            else:
                self._versions.take_over([place])
        found = found or self._lake._held(place)
        if found is not None:
            self._members[place] = found  # what is made of it becomes current with it, not with its successor
        return found

    def _add(self, place: str, member: Path) -> None:
        self._members[place] = member
        self._versions.add_to_draft(self._key, place, member)


def _file_of(piece: TableSlice, held: Path) -> Path | None:
    """The slice's file, where what is at its place is the folder of a month; None where that has no such file."""
    if piece.month is None:
        return held
    older = held / Path(path_of(piece)).name  # of the layout that had no versions
    return older if older.exists() else next(held.glob(f"{older.stem}-*{older.suffix}"), None)


def _verified(path: Path, name: str) -> RawFile:
    with file_failures(path):
        digest = sha256_of(path)
    known = {"url": path.as_uri(), "sha256": digest, **_known_of(path)}
    if known["sha256"] != digest:
        raise SliceDamaged(
            f"{name} is damaged on the disk: its SHA-256 was {known['sha256'][:12]}… when it was stored, and is "
            f"{digest[:12]}… in {path}; taxi run for its month, or materializing it, fetches it again"
        )
    return RawFile(
        path,
        known["url"],
        path.stat().st_size,
        digest,
        known.get("rows"),
        known.get("etag"),
        known.get("last_modified"),
    )


def _rows_in(path: Path | None) -> int:
    import pyarrow.parquet as pq

    if path is None:
        return 0
    with file_failures(path):
        return int(pq.read_metadata(path).num_rows)


def _known_of(path: Path) -> dict[str, Any]:
    """What is known of the file's origin; nothing where that was damaged, so that it costs no month its rows."""
    try:
        known = json.loads(origin_of(path).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
