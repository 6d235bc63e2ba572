"""Rows and files out of a bucket: by reference to the objects, in ranges, or downloaded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake import parquet
from taxi_assets.stores.lake.gcs.downloads import Downloads
from taxi_assets.stores.lake.gcs.manifest import Held
from taxi_assets.stores.lake.gcs.tables import Tables
from taxi_assets.stores.rows import Rows, no_rows


def read_rows(
    tables: Tables, downloads: Downloads, table: str, slices: Sequence[TableSlice], held: Sequence[Held | None]
) -> Rows:
    """The rows of the slices, which these objects hold.

    Raises:
        SliceMissing: a slice, or the whole table, does not exist.
        SchemaMismatch: the partitions have no common schema.
    """
    objects = tables.objects
    with objects.failures():
        seen = [objects.peek(one.object, parquet.schema_by_values) if one else None for one in held]
    missing = [str(piece) for piece, one in zip(slices, seen, strict=True) if one is None]
    if missing or not seen:
        raise SliceMissing(f"{objects} has no {', '.join(missing) or table}: materialize it first")
    found = [(one.object, there) for one, there in zip(held, seen, strict=True) if one and there]
    schemas = [there.value[0] for _, there in found]
    schema = schemas[0] if len(schemas) == 1 else parquet.common_schema([there.value for _, there in found], table)

    def open_batches() -> Iterator[pa.RecordBatch]:
        for path, there in found:
            kept = downloads.kept(there.generation, _file_name(objects.name(path)))
            if kept.exists():
                yield from Rows.from_parquet([kept], schema).batches()
                continue
            with downloads.temporary_folder() as folder:
                objects.download(path, folder / "rows.parquet")
                yield from Rows.from_parquet([folder / "rows.parquet"], schema).batches()

    def fetch() -> tuple[str, ...]:
        return tuple(
            str(downloads.fetch(path, there.generation, _file_name(objects.name(path)))) for path, there in found
        )

    def read_head(count: int) -> pa.RecordBatch:
        with objects.failures():
            head = objects.peek(found[0][0], lambda file: _head_of(file, count))
        return no_rows(schema) if head is None or head.value is None else head.value

    alike = all(one.equals(schema) for one in schemas)
    references = tuple(f"{objects.uri(path)}#{there.generation}" for path, there in found)
    return Rows(schema, open_batches, (), references if alike else (), read_head=read_head, fetch=fetch)


def find_row(tables: Tables, place: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row at the place that has these values; fetches only the row groups that may have it."""
    with tables.objects.failures():
        held = tables.held(place)
        seen = None if held is None else tables.objects.peek(held.object, lambda file: parquet.find_row(file, key))
    return None if seen is None else seen.value


def rows_at(tables: Tables, place: str) -> int:
    """Rows of the Parquet object at the place, by its footer; 0 where it does not exist."""
    with tables.objects.failures():
        held = tables.held(place)
        seen = None if held is None else tables.objects.peek(held.object, _rows_of)
    return 0 if seen is None else seen.value


def fetch_file(tables: Tables, downloads: Downloads, place: str, held: Held | None) -> RawFile:
    """The file at the place, downloaded, with its origin, after a comparison of its SHA-256.

    Raises:
        SliceMissing: it does not exist.
        SliceDamaged: its bytes are not those that were stored.
    """
    with tables.objects.failures():
        blob = None if held is None else tables.objects.get(held.object)
    if held is None or blob is None:
        raise SliceMissing(f"{tables.objects} has no {place}: materialize it first")
    file = downloads.fetch(held.object, blob.generation, place.rpartition("/")[2])
    digest = sha256_of(file)
    origin = dict(blob.metadata or {})
    if "sha256" not in origin:  # uploaded by another program
        return RawFile(file, tables.objects.uri(place), file.stat().st_size, digest, None)
    if origin["sha256"] != digest:
        raise SliceDamaged(
            f"{place} is damaged: its SHA-256 was {origin['sha256'][:12]}… when it was stored, and is "
            f"{digest[:12]}… in {tables.objects.uri(held.object)}; taxi run for its month, or materializing it, "
            "fetches it again"
        )
    return RawFile(
        file,
        origin["url"],
        file.stat().st_size,
        digest,
        int(origin["rows"]) if "rows" in origin else None,
        origin.get("etag"),
        origin.get("last_modified"),
    )


def _file_name(name: str) -> str:
    return name.replace("/", " ")


def _rows_of(file: BinaryIO) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def _head_of(file: BinaryIO, count: int) -> pa.RecordBatch | None:
    import pyarrow.parquet as pq

    return next(pq.ParquetFile(file).iter_batches(count), None)
