"""The lake on a local disk.

A file is written in a hidden folder and appears under its name by one rename, after its bytes are on the disk: whoever
reads sees the old file or the new one, whole. A writer that was killed leaves only a hidden folder, which the next one
removes.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from taxi_assets.errors import SliceMissing
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.scratch import scratch_folder
from taxi_assets.stores.disk import disk_failures, file_failures
from taxi_assets.stores.lake.layout import MONTH_FOLDER, inside, month_of_folder, path_of
from taxi_assets.stores.lake.parquet import common_schema, find_row, write_parquet
from taxi_assets.stores.rows import Rows, schema_of_parquet
from taxi_assets.stores.slices import Slice, Stored


class LocalLake:
    """A folder of Parquet files, replaced one slice at a time; `Slice.table` is a path such as `clean/green_trips`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def uri(self, piece: Slice) -> str:
        """Where the slice is, or will be."""
        return self._path(piece).as_uri()

    def file_uri(self, folder: str, name: str) -> str:
        """Where the file of that name is, or will be."""
        return (self.root / inside(f"{folder}/{name}")).as_uri()

    def replace(self, piece: Slice, rows: Rows) -> Stored:
        """Make the slice hold exactly these rows; until it returns, readers see the old ones.

        Raises:
            SchemaMismatch: Parquet does not have a column's type, or a column lacks a value that it must have.
            StoreUnavailable: the disk is full.
            StoreError: the folder may not be written.
        """
        with self._incoming() as folder:
            written = folder / "rows.parquet"
            count = write_parquet(rows, written)
            size = written.stat().st_size
            _publish(written, self._path(piece))
        return Stored(count, size, rows.schema, {field.name: str(field.type) for field in rows.schema})

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it, by reference to their files.

        Raises:
            SliceMissing: a month, or the whole table, is not there.
            SliceDamaged: a file cannot be read; also while its rows are.
            SchemaMismatch: the months have no schema in common.
        """
        pieces = [Slice(table, month) for month in months] if months is not None else self._pieces(table)
        paths = [self._path(piece) for piece in pieces]
        missing = [str(piece) for piece, path in zip(pieces, paths, strict=True) if not path.exists()]
        if missing or not paths:
            raise SliceMissing(f"the lake has no {', '.join(missing) or table}: materialize it first")
        if len(paths) == 1:
            return Rows.from_parquet(paths)
        return Rows.from_parquet(paths, common_schema([schema_of_parquet(path) for path in paths], table))

    def count(self, piece: Slice) -> int:
        """Rows in the slice, by the file's footer; 0 where there is none."""
        path = self._path(piece)
        return self.file_rows(str(path.parent.relative_to(self.root)), path.name)

    def row(self, piece: Slice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none."""
        path = self._path(piece)
        if not path.exists():
            return None
        with file_failures(path), path.open("rb") as file:
            return find_row(file, key)

    def months(self, table: str) -> list[Month]:
        """The months of the table that are there, oldest first."""
        folders = (self.root / inside(table)).glob(f"{MONTH_FOLDER}*")
        months = (month_of_folder(folder.name) for folder in folders)
        return sorted(month for month in months if self._path(Slice(table, month)).exists())

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """Take the file over into a folder of the lake, byte for byte, under its own name; `raw.path` is gone then.

        What is known of its origin goes into a hidden file beside it. The digest in there ties the two together:
        a process killed between the two renames leaves an origin that is not believed.
        """
        target = self.root / inside(folder) / raw.path.name
        with self._incoming() as incoming:
            staged, origin = incoming / "file", incoming / "origin"
            shutil.move(raw.path, staged)
            known = {key: value for key, value in asdict(raw).items() if key not in ("path", "size")}
            origin.write_text(json.dumps(known))
            _publish(origin, _origin_of(target))
            _publish(staged, target)
        return replace(raw, path=target)

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name in a folder of the lake, with what is known of its origin.

        Raises:
            SliceMissing: it is not there.
        """
        path = self.root / inside(f"{folder}/{name}")
        if not path.exists():
            raise SliceMissing(f"the lake has no {folder}/{name}: materialize it first")
        with file_failures(path):
            digest = sha256_of(path)
        known = _known_of(path)
        if known.get("sha256") != digest:
            known = {"url": path.as_uri()}
        return RawFile(
            path,
            known["url"],
            path.stat().st_size,
            digest,
            known.get("rows"),
            known.get("etag"),
            known.get("last_modified"),
        )

    def file_rows(self, folder: str, name: str) -> int:
        """Rows in a Parquet file of the lake, by its footer; 0 where there is none.

        Raises:
            SliceDamaged: the file cannot be read.
        """
        import pyarrow.parquet as pq

        path = self.root / inside(f"{folder}/{name}")
        if not path.exists():
            return 0
        with file_failures(path):
            return int(pq.read_metadata(path).num_rows)

    def _pieces(self, table: str) -> list[Slice]:
        whole = Slice(table)
        return [whole] if self._path(whole).exists() else [Slice(table, month) for month in self.months(table)]

    def _path(self, piece: Slice) -> Path:
        return self.root / path_of(piece)

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        with disk_failures(self.root), scratch_folder(self.root / ".incoming") as folder:
            yield folder


def _known_of(path: Path) -> dict[str, Any]:
    """What is known of the file's origin; nothing where that was damaged, so that it costs no month its rows."""
    try:
        known = json.loads(_origin_of(path).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _origin_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.origin.json")


def _publish(written: Path, target: Path) -> None:
    """Put the bytes on the disk and then the name in place, so that a power cut leaves one whole file or the other."""
    _sync(written)
    target.parent.mkdir(parents=True, exist_ok=True)
    written.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
