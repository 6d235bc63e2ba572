"""Rows and files out of a lake in a folder, by reference to the files."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake import parquet
from taxi_assets.stores.lake.folder.tables import Tables
from taxi_assets.stores.lake.folder.versions import origin_of
from taxi_assets.stores.os_errors import file_failures
from taxi_assets.stores.partition import Partition
from taxi_assets.stores.rows import Rows


def read_rows(tables: Tables, table: str, partitions: Sequence[Partition] | None) -> Rows:
    """The rows of the table, or of these partitions of it, by reference to their files.

    Raises:
        SliceMissing: a partition, or the whole table, does not exist.
        SliceDamaged: a file cannot be read; also while streaming.
        SchemaMismatch: the partitions have no common schema.
    """
    slices = [TableSlice(table, one) for one in partitions] if partitions is not None else tables.slices(table)
    found = [(piece, tables.file(piece)) for piece in slices]
    missing = [str(piece) for piece, path in found if path is None]
    if missing or not found:
        raise SliceMissing(f"the lake has no {', '.join(missing) or table}: materialize it first")
    paths = [path for _, path in found if path is not None]
    if len(paths) == 1:
        return Rows.from_parquet(paths).confirmed_by(partial(tables.require_current, slices[0], paths[0]))
    return Rows.from_parquet(paths, parquet.common_schema([parquet.schema_by_values(path) for path in paths], table))


def find_row(path: Path | None, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row of the file that has these values; None where there is none, or no file."""
    if path is None:
        return None
    with file_failures(path), path.open("rb") as file:
        return parquet.find_row(file, key)


def rows_in(path: Path | None) -> int:
    """Rows in a Parquet file, by its footer; 0 where it does not exist."""
    import pyarrow.parquet as pq

    if path is None:
        return 0
    with file_failures(path):
        return int(pq.read_metadata(path).num_rows)


def verified(path: Path, name: str) -> RawFile:
    """The file with its origin, after a comparison of its SHA-256.

    Raises:
        SliceDamaged: its bytes are not those that were stored, or cannot be read.
    """
    with file_failures(path):
        digest = sha256_of(path)
    known = {"url": path.as_uri(), "sha256": digest, **_origin(path)}
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


def _origin(path: Path) -> dict[str, Any]:
    """The file's origin; empty where its record is damaged, since the rows are good without it."""
    try:
        known = json.loads(origin_of(path).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
