"""Rows and files into a lake in a folder: written to a hidden folder, and then kept among a group's versions."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.arrow import of_partition
from taxi_assets.stores.base import Stored, TableSlice
from taxi_assets.stores.lake.folder.tables import Tables
from taxi_assets.stores.lake.folder.versions import Versions, sync
from taxi_assets.stores.lake.layout import path_of
from taxi_assets.stores.lake.parquet import write_parquet
from taxi_assets.stores.os_errors import disk_failures
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.scratch import scratch_folder

_DIGEST = 20  # hexadecimal digits, of the 64, in names of files

#: Moves the written file to the versions, and returns what a version has to link to.
Keep = Callable[[Versions], Path]


@contextmanager
def written(tables: Tables, piece: TableSlice, rows: Rows) -> Iterator[tuple[Keep, Stored]]:
    """Write the rows to the disk as Parquet.

    Raises:
        SchemaMismatch: Parquet does not have a column's type, a required value is missing, a row is of another
            partition, or the table is partitioned in another way.
        Overtaken: another run replaced what the rows were made from.
        StoreUnavailable: the disk is full.
        StoreError: the folder cannot be written.
    """
    rows = of_partition(rows, tables.key_column, piece.partition)
    tables.require_same_partitioning(piece)
    with _incoming(tables.root) as folder:
        file = folder / "rows.parquet"
        count = write_parquet(rows, file)
        size = file.stat().st_size
        sync(file)
        digest = sha256_of(file)[:_DIGEST]
        rows.confirm()
        name = Path(path_of(piece))

        def keep(versions: Versions) -> Path:
            kept = versions.keep(file, digest, f"{name.stem}-{digest}{name.suffix}")
            return kept if piece.partition is None else kept.parent

        yield keep, Stored(count, size, rows.schema, {field.name: str(field.type) for field in rows.schema})


@contextmanager
def moved(tables: Tables, raw: RawFile) -> Iterator[Keep]:
    """Move the file to the lake's disk, with its origin beside it."""
    with _incoming(tables.root) as incoming:
        file, origin = incoming / "file", incoming / "origin"
        shutil.move(raw.path, file)
        known = json.dumps({key: value for key, value in asdict(raw).items() if key not in ("path", "size")})
        origin.write_text(known)
        sync(file)
        sync(origin)
        digest = f"{raw.sha256[:_DIGEST]}-{sha256_of(origin)[:8]}"
        yield lambda versions: versions.keep(file, digest, raw.path.name, origin)


@contextmanager
def _incoming(root: Path) -> Iterator[Path]:
    with disk_failures(root), scratch_folder(root / ".incoming") as folder:
        yield folder
