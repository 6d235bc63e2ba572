"""The lake in a bucket of Google Cloud Storage.

A slice is one object, and an upload makes it visible at its end, by one commit: until then readers get the old
generation, whole. An upload that breaks off never becomes an object; Google drops its session after a week. The commit
names the generation that it replaces, so that an answer that was lost, or another writer who was faster, is noticed.
"""

import base64
import mimetypes
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import google_crc32c
import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from taxi_assets.errors import SliceMissing, StoreError, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.disk import damaged, disk_failures
from taxi_assets.stores.google import google_failures, session_is_lost
from taxi_assets.stores.lake.layout import MONTH_FOLDER, inside, month_of_folder, path_of
from taxi_assets.stores.lake.parquet import common_schema, find_row, write_parquet
from taxi_assets.stores.rows import Rows, no_rows, schema_of_parquet
from taxi_assets.stores.slices import Slice, Stored

_UPLOAD_CHUNK = 8 << 20  # bytes; larger files go up in pieces of this size, each of which is tried again by itself
_PEEK_BYTES = 256 << 10  # the footer of a month of 20,000,000 rows has 200 kB
_TRIES = 4  # that fit into the patience, where each waits for an answer that never comes
_ATTEMPTS = 10  # against others who replace the same object at the same time
_ORIGIN = ("url", "sha256", "rows", "etag", "last_modified")

T = TypeVar("T")


class GCSLake:
    """Objects under `gs://bucket/prefix`, replaced one at a time; `Slice.table` is a path such as `clean/green_trips`.

    Credentials are Google's Application Default Credentials; `STORAGE_EMULATOR_HOST` is honoured.

    Args:
        url: `gs://bucket` or `gs://bucket/prefix`; the bucket exists.
        scratch: a folder for files on their way, and for those that were asked for; its owner removes it.
        patience: seconds to go on asking a service that does not answer.
    """

    def __init__(self, url: str, scratch: Path, *, patience: float = 120) -> None:
        place = urlsplit(url)
        self._bucket_name = place.netloc
        self._prefix = place.path.strip("/")
        self._url = url
        self._scratch = scratch
        self._patience = patience

    def __getstate__(self) -> dict[str, Any]:
        """A lake goes to another process without its connections."""
        return {name: value for name, value in vars(self).items() if name != "_bucket"}

    def uri(self, piece: Slice) -> str:
        """Where the slice is, or will be."""
        return f"gs://{self._bucket_name}/{self._name(path_of(piece))}"

    def file_uri(self, folder: str, name: str) -> str:
        """Where the file of that name is, or will be."""
        return f"gs://{self._bucket_name}/{self._name(inside(f'{folder}/{name}'))}"

    def replace(self, piece: Slice, rows: Rows) -> Stored:
        """Make the slice hold exactly these rows; until it returns, readers see the old ones.

        Raises:
            SchemaMismatch: Parquet does not have a column's type, or a column lacks a value that it must have.
            StoreUnavailable: the service does not answer, or the disk of this machine is full.
            StoreError: the service refuses.
        """
        with self._temporary_folder() as folder:
            written = folder / "rows.parquet"
            count = write_parquet(rows, written)
            size = written.stat().st_size
            with self._failures():
                self._commit(path_of(piece), written, {"rows": str(count)})
        return Stored(count, size, rows.schema, {field.name: str(field.type) for field in rows.schema})

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it, by reference to their objects.

        Raises:
            SliceMissing: a month, or the whole table, is not there.
            SchemaMismatch: the months have no schema in common.
        """
        with self._failures():
            pieces = [Slice(table, month) for month in months] if months is not None else self._pieces(table)
            names = [self._name(path_of(piece)) for piece in pieces]
            seen = [self._peek(name, schema_of_parquet) for name in names]
        missing = [str(piece) for piece, one in zip(pieces, seen, strict=True) if one is None]
        if missing or not names:
            raise SliceMissing(f"{self._url} has no {', '.join(missing) or table}: materialize it first")
        found = [one for one in seen if one is not None]
        schemas = [schema for _, schema in found]
        schema = schemas[0] if len(schemas) == 1 else common_schema(schemas, table)

        def open_batches() -> Iterator[pa.RecordBatch]:
            for name, (generation, _) in zip(names, found, strict=True):
                kept = self._kept(generation, _flat(name))
                if kept.exists():
                    yield from Rows.from_parquet([kept], schema).batches()
                    continue
                with self._temporary_folder() as folder:
                    path = folder / "rows.parquet"
                    self._download(name, path)
                    yield from Rows.from_parquet([path], schema).batches()

        def fetch() -> tuple[str, ...]:
            return tuple(
                str(self._brought(name, generation)) for name, (generation, _) in zip(names, found, strict=True)
            )

        def read_head(count: int) -> pa.RecordBatch:
            with self._failures():
                head = self._peek(names[0], lambda file: _head_of(file, count))
            return no_rows(schema) if head is None or head[1] is None else head[1]

        alike = all(one.equals(schema) for one in schemas)
        objects = tuple(
            f"gs://{self._bucket_name}/{name}#{generation}" for name, (generation, _) in zip(names, found, strict=True)
        )
        return Rows(schema, open_batches, (), objects if alike else (), read_head=read_head, fetch=fetch)

    def count(self, piece: Slice) -> int:
        """Rows in the slice, by the file's footer; 0 where there is none."""
        return self._rows_at(path_of(piece))

    def row(self, piece: Slice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none. Fetches the row groups that may."""
        with self._failures():
            seen = self._peek(self._name(path_of(piece)), lambda file: find_row(file, key))
        return None if seen is None else seen[1]

    def months(self, table: str) -> list[Month]:
        """The months of the table that are there, oldest first."""
        folder = self._name(inside(table))
        with self._failures():
            names = {
                blob.name
                for blob in self._bucket.list_blobs(
                    prefix=f"{folder}/{MONTH_FOLDER}", fields="items(name),nextPageToken", **self._trying
                )
            }
        months = {month_of_folder(name.removeprefix(f"{folder}/").partition("/")[0]) for name in names}
        return sorted(month for month in months if self._name(path_of(Slice(table, month))) in names)

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """Take the file over into a folder of the lake, byte for byte, under its own name; `raw.path` is gone then.

        What is known of its origin is the object's own metadata, and becomes visible with its bytes. The file stays in
        the scratch folder, for whoever asks for it next.
        """
        known = {key: str(getattr(raw, key)) for key in _ORIGIN if getattr(raw, key) is not None}
        with self._failures():
            generation = self._commit(inside(f"{folder}/{raw.path.name}"), raw.path, known)
        kept = self._kept(generation, raw.path.name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(raw.path, kept)
        return replace(raw, path=kept)

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name in a folder of the lake, brought here, with what is known of its origin.

        Raises:
            SliceMissing: it is not there.
        """
        full_name = self._name(inside(f"{folder}/{name}"))
        with self._failures():
            blob = self._bucket.get_blob(full_name, **self._trying)
        if blob is None:
            raise SliceMissing(f"{self._url} has no {folder}/{name}: materialize it first")
        kept = self._kept(blob.generation, name)
        if not kept.exists():
            with self._temporary_folder() as incoming:
                self._download(full_name, incoming / name)
                kept.parent.mkdir(parents=True, exist_ok=True)
                (incoming / name).rename(kept)
        digest = sha256_of(kept)
        known = dict(blob.metadata or {})
        if known.get("sha256") != digest:  # somebody else put it there, or it was replaced a moment ago
            return RawFile(kept, self.file_uri(folder, name), kept.stat().st_size, digest, None)
        return RawFile(
            kept,
            known["url"],
            kept.stat().st_size,
            digest,
            int(known["rows"]) if "rows" in known else None,
            known.get("etag"),
            known.get("last_modified"),
        )

    def file_rows(self, folder: str, name: str) -> int:
        """Rows in a Parquet file of the lake, by its footer; 0 where there is none."""
        return self._rows_at(inside(f"{folder}/{name}"))

    @cached_property
    def _bucket(self) -> storage.Bucket:
        return storage.Client().bucket(self._bucket_name)

    @property
    def _trying(self) -> Mapping[str, Any]:
        return {"timeout": self._patience / _TRIES, "retry": DEFAULT_RETRY.with_timeout(self._patience)}

    def _name(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _pieces(self, table: str) -> list[Slice]:
        whole = Slice(table)
        if self._bucket.get_blob(self._name(path_of(whole)), **self._trying) is not None:
            return [whole]
        return [Slice(table, month) for month in self.months(table)]

    def _rows_at(self, path: str) -> int:
        with self._failures():
            seen = self._peek(self._name(path), _rows_of)
        return 0 if seen is None else seen[1]

    def _peek(self, name: str, look: Callable[[BinaryIO], T]) -> tuple[int, T] | None:
        """The object's generation and what `look` finds in it, fetching what that reads only; None without object."""
        for _ in range(_ATTEMPTS):
            blob = self._bucket.get_blob(name, **self._trying)
            if blob is None:
                return None
            generation = int(blob.generation)  # kept, since the client changes the blob's to that of every answer
            try:
                with blob.open("rb", chunk_size=_PEEK_BYTES, **self._trying) as file:
                    return generation, look(file)
            except (NotFound, pa.ArrowInvalid, OSError) as error:
                if isinstance(error, OSError) and type(error) is not OSError:  # the connection's, and not Arrow's
                    raise
                # The pieces are asked for by their generation, and it may have been replaced between two of them. The
                # service answers 404 then; fake-gcs-server, which knows no old generations, the new one's bytes.
                present = self._bucket.get_blob(name, **self._trying)
                if present is not None and present.generation == generation:
                    if isinstance(error, NotFound):
                        raise
                    raise damaged(f"gs://{self._bucket_name}/{name}", error) from error
        raise StoreUnavailable(f"gs://{self._bucket_name}/{name} is replaced again and again while it is read")

    def _download(self, name: str, path: Path) -> None:
        """Fetch the object in one request: that is served from one generation, whoever replaces it meanwhile."""
        with self._failures():
            self._bucket.blob(name).download_to_filename(str(path), checksum="crc32c", **self._trying)

    def _commit(self, path: str, written: Path, metadata: Mapping[str, str]) -> int:
        """Upload the file in place of the object's present generation, and return its own."""
        name = self._name(path)
        for _ in range(_ATTEMPTS):
            present = self._bucket.get_blob(name, **self._trying)
            blob = self._bucket.blob(name, chunk_size=_UPLOAD_CHUNK)
            blob.metadata = dict(metadata)
            try:
                blob.upload_from_filename(
                    str(written),
                    content_type=mimetypes.guess_type(name)[0] or "application/vnd.apache.parquet",
                    if_generation_match=0 if present is None else present.generation,
                    checksum="crc32c",
                    **self._trying,
                )
            except PreconditionFailed:
                # Either somebody else was faster, or our own commit was and only its answer got lost.
                there = self._bucket.get_blob(name, **self._trying)
                if there is not None and (there.crc32c, there.metadata) == (_crc32c_of(written), metadata):
                    return int(there.generation)
            except GoogleAPICallError as error:
                if not session_is_lost(error):
                    raise
            else:
                return int(blob.generation)
        raise StoreUnavailable(
            f"gs://{self._bucket_name}/{name} is replaced by others, or its upload is lost, again and again"
        )

    def _brought(self, name: str, generation: int) -> Path:
        """A copy of the slice's object here, for those who read files only, or read it more than once."""
        kept = self._kept(generation, _flat(name))
        if not kept.exists():
            with self._temporary_folder() as incoming:
                self._download(name, incoming / "rows.parquet")
                kept.parent.mkdir(parents=True, exist_ok=True)
                (incoming / "rows.parquet").rename(kept)
        return kept

    def _kept(self, generation: int, name: str) -> Path:
        return self._scratch / "kept" / str(generation) / name

    @contextmanager
    def _temporary_folder(self) -> Iterator[Path]:
        with disk_failures(self._scratch):
            self._scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                yield Path(folder)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        bucket = f"gs://{self._bucket_name}"
        with google_failures(bucket, "roles/storage.objectAdmin"):
            try:
                yield
            except DataCorruption as error:
                raise StoreUnavailable(f"{bucket}: bytes were damaged on the way: {error}") from error
            except NotFound as error:
                raise StoreError(f"{bucket} is not there: gcloud storage buckets create {bucket}") from error


def _flat(name: str) -> str:
    return name.replace("/", " ")


def _rows_of(file: BinaryIO) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def _head_of(file: BinaryIO, count: int) -> pa.RecordBatch | None:
    import pyarrow.parquet as pq

    return next(pq.ParquetFile(file).iter_batches(count), None)


def _crc32c_of(path: Path) -> str:
    """The file's checksum in the form that the service tells it in."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(_UPLOAD_CHUNK):
            checksum.update(block)
    return base64.b64encode(checksum.digest()).decode()
