"""The lake in a bucket of Google Cloud Storage.

Files are uploaded under names that are never used again; then a small object that says which of them are current, the
pointer, is replaced, by one commit that names the generation that it replaces, so that an answer that was lost, or
another writer who was faster, is noticed. What lies at the places that people know is a copy that the service makes
after that, with the pointer's name in its metadata; whoever reads through this module goes by the pointer. An upload
that breaks off never becomes an object; Google drops its session after a week.
"""

import base64
import copy
import json
import mimetypes
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Generic, Self, TypeVar
from urllib.parse import quote

import google_crc32c
import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from taxi_assets.errors import Overtaken, SliceDamaged, SliceMissing, StoreError, StoreUnavailable
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.arrow import of_month
from taxi_assets.stores.base import Stored, TableSlice, other_partitioning
from taxi_assets.stores.google_errors import google_failures, session_is_lost
from taxi_assets.stores.lake.gcs.manifest import Held, Pointer
from taxi_assets.stores.lake.layout import (
    CURRENT,
    MONTH_FOLDER,
    Group,
    group_of,
    group_of_file,
    inside,
    month_of_folder,
    path_of,
)
from taxi_assets.stores.lake.parquet import common_schema, find_row, write_parquet
from taxi_assets.stores.lake.run_lock import Turn
from taxi_assets.stores.os_errors import damaged, disk_failures
from taxi_assets.stores.rows import Rows, no_rows, schema_of_parquet

_UPLOAD_CHUNK = 8 << 20  # bytes; larger files go up in pieces of this size, each of which is tried again by itself
_PEEK_BYTES = 256 << 10  # the footer of a month of 20,000,000 rows has 200 kB
_TRIES = 4  # that fit into the patience, where each waits for an answer that never comes
_ATTEMPTS = 10  # against others who replace the same object at the same time
_ORIGIN = ("url", "sha256", "rows", "etag", "last_modified")
_POINTER = "taxi-pointer"  # metadata of the copy at a place: the object that tells what is current there
_COPY_OF = "taxi-copy-of"  # and what it is a copy of
_DIGEST = 20  # hexadecimal digits, of the 64, that names of objects tell
_ABANDONED = timedelta(days=1)  # after which an object that nothing names belongs to a run that is long gone

T = TypeVar("T")


@dataclass(frozen=True)
class _Seen(Generic[T]):
    generation: int
    updated: datetime
    value: T


class GCSLake:
    """Objects under `gs://bucket/prefix`, replaced one at a time; the table is a path such as `clean/green_trips`.

    Credentials are Google's Application Default Credentials; `STORAGE_EMULATOR_HOST` is honoured.

    Args:
        client: opens the client, once.
        bucket: the bucket's name; it exists.
        prefix: of every object's name; may be empty.
        scratch: a folder for files on their way, and for those that were asked for; its owner removes it.
        month_column: where the rows have this column, each holds its month's first day in it, as in the tables.
        patience: seconds to go on asking a service that does not answer.
        turns: a folder by which runs on this machine take turns at what becomes current together; None if they do not.
    """

    def __init__(
        self,
        client: Callable[[], storage.Client],
        bucket: str,
        prefix: str,
        scratch: Path,
        month_column: str = "source_month",
        *,
        patience: float = 120,
        turns: Path | None = None,
    ) -> None:
        self._open_client = client
        self._bucket_name, self._prefix = bucket, prefix
        self._url = f"gs://{bucket}/{prefix}" if prefix else f"gs://{bucket}"
        self._scratch = scratch
        self._month_column = month_column
        self._patience = patience
        self._turns = turns
        self._seen: dict[str, Pointer] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A lake goes to another process without its connections."""
        return {name: value for name, value in vars(self).items() if name != "_bucket"}

    def pinned(self) -> Self:
        """The same lake for one look at it: what becomes current together is found in one version, however long."""
        pinned = copy.copy(self)
        pinned._seen = {}
        return pinned

    def uri(self, piece: TableSlice) -> str:
        """Where the slice is, or will be."""
        return f"gs://{self._bucket_name}/{self._name(path_of(piece))}"

    def file_uri(self, folder: str, name: str) -> str:
        """Where the file of that name is, or will be."""
        return f"gs://{self._bucket_name}/{self._name(inside(f'{folder}/{name}'))}"

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """Make the slice hold exactly these rows; until it returns, readers see the old ones.

        Raises:
            SchemaMismatch: Parquet does not have a column's type, a column lacks a value that it must have, a row is of
                another month, or the table is one whole and this is a month, or the other way round.
            Overtaken: what the rows were made from is not current any more.
            StoreUnavailable: the service does not answer, or the disk of this machine is full.
            StoreError: the service refuses.
        """
        group = group_of(piece)
        stored, held = self._upload_rows(group, piece, rows)
        self._publish(group, {path_of(piece): held})
        return stored

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of those months of it, by reference to their objects.

        Raises:
            SliceMissing: a month, or the whole table, is not there.
            SchemaMismatch: the months have no schema in common.
        """
        with self._failures():
            pieces = [TableSlice(table, month) for month in months] if months is not None else self._pieces(table)
            held = [self._held(path_of(piece)) for piece in pieces]
        rows = self._rows(table, pieces, held)
        return rows if len(pieces) != 1 else rows.confirmed_by(partial(self._require_current, pieces[0], held[0]))

    def _rows(self, table: str, pieces: Sequence[TableSlice], held: Sequence[Held | None]) -> Rows:
        with self._failures():
            names = [self._name(one.object) if one else "" for one in held]
            seen = [self._peek(name, schema_of_parquet) if name else None for name in names]
        missing = [str(piece) for piece, one in zip(pieces, seen, strict=True) if one is None]
        if missing or not names:
            raise SliceMissing(f"{self._url} has no {', '.join(missing) or table}: materialize it first")
        found = [one for one in seen if one is not None]
        schemas = [one.value for one in found]
        schema = schemas[0] if len(schemas) == 1 else common_schema(schemas, table)

        def open_batches() -> Iterator[pa.RecordBatch]:
            for name, one in zip(names, found, strict=True):
                kept = self._kept(one.generation, _flat(name))
                if kept.exists():
                    yield from Rows.from_parquet([kept], schema).batches()
                    continue
                with self._temporary_folder() as folder:
                    path = folder / "rows.parquet"
                    self._download(name, path)
                    yield from Rows.from_parquet([path], schema).batches()

        def fetch() -> tuple[str, ...]:
            return tuple(str(self._brought(name, one.generation)) for name, one in zip(names, found, strict=True))

        def read_head(count: int) -> pa.RecordBatch:
            with self._failures():
                head = self._peek(names[0], lambda file: _head_of(file, count))
            return no_rows(schema) if head is None or head.value is None else head.value

        alike = all(one.equals(schema) for one in schemas)
        objects = tuple(
            f"gs://{self._bucket_name}/{name}#{one.generation}" for name, one in zip(names, found, strict=True)
        )
        return Rows(schema, open_batches, (), objects if alike else (), read_head=read_head, fetch=fetch)

    def count(self, piece: TableSlice) -> int:
        """Rows in the slice, by the file's footer; 0 where there is none."""
        return self._rows_at(path_of(piece))

    def row(self, piece: TableSlice, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """A row of the slice that has these values; None where there is none. Fetches the row groups that may."""
        with self._failures():
            held = self._held(path_of(piece))
            seen = None if held is None else self._peek(self._name(held.object), lambda file: find_row(file, key))
        return None if seen is None else seen.value

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
        return sorted(month for month in months if self._name(path_of(TableSlice(table, month))) in names)

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """Take the file over into a folder of the lake, byte for byte, under its own name; `raw.path` is gone then.

        What is known of its origin is the object's own metadata, and becomes visible with its bytes. The file stays in
        the scratch folder, for whoever asks for it next.
        """
        group = group_of_file(folder, raw.path.name)
        stored, held = self._upload_file(group, raw)
        self._publish(group, {inside(f"{folder}/{raw.path.name}"): held})
        return stored

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name in a folder of the lake, brought here, with what is known of its origin.

        Raises:
            SliceMissing: it is not there.
            SliceDamaged: its bytes are not those that were stored.
        """
        place = inside(f"{folder}/{name}")
        with self._failures():
            held = self._held(place)
        return self._fetched(place, held)

    def draft(self, piece: TableSlice, key: str, tell: Callable[[str], None]) -> "GCSDraft":
        """Begin the next version of what becomes current with the slice, when it is our turn.

        Args:
            piece: the slice that the others belong to.
            key: tells who goes on with it in another process: the run, and those that are made in its place.
            tell: called with a line while others, on this machine, make a version.
        """
        group = group_of(piece)
        lock = None if self._turns is None else self._turns / quote(self.uri(piece), safe="")
        return GCSDraft(self, group, key, None if lock is None else Turn(lock, str(group), tell))

    def file_rows(self, folder: str, name: str) -> int:
        """Rows in a Parquet file of the lake, by its footer; 0 where there is none."""
        return self._rows_at(inside(f"{folder}/{name}"))

    @cached_property
    def _bucket(self) -> storage.Bucket:
        return self._open_client().bucket(self._bucket_name)

    @property
    def _trying(self) -> Mapping[str, Any]:
        return {"timeout": self._patience / _TRIES, "retry": DEFAULT_RETRY.with_timeout(self._patience)}

    def _name(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def _require_same_partitioning(self, piece: TableSlice) -> None:
        with self._failures():
            is_other = self.months(piece.table) if piece.month is None else self._is_whole(piece.table)
        if is_other:
            folder = f"gs://{self._bucket_name}/{self._name(inside(piece.table))}"
            remedy = f"remove it (gcloud storage rm --recursive {folder})"
            raise other_partitioning(folder, remedy, by_month=piece.month is not None)

    def _is_whole(self, table: str) -> bool:
        return self._held(path_of(TableSlice(table))) is not None

    def _relative(self, name: str) -> str:
        return name.removeprefix(f"{self._prefix}/") if self._prefix else name

    def _pieces(self, table: str) -> list[TableSlice]:
        if self._is_whole(table):
            return [TableSlice(table)]
        return [TableSlice(table, month) for month in self.months(table)]

    def _held(self, place: str) -> Held | None:
        """What the place stands for in the version that is current; None where there is nothing."""
        shown = self._bucket.get_blob(self._name(place), **self._trying)
        if shown is None:
            return None
        facts = shown.metadata or {}
        if _POINTER in facts:
            held = self._pointer(facts[_POINTER]).members.get(place)
            if held is not None:
                return held
        return Held(place, f"generation {shown.generation}", facts)  # of an older layout, or put there by hand

    def _pointer(self, name: str) -> Pointer:
        if self._seen is None:
            return self._pointer_and_generation(name)[0]
        if name not in self._seen:
            self._seen[name] = self._pointer_and_generation(name)[0]
        return self._seen[name]

    def _pointer_and_generation(self, name: str) -> tuple[Pointer, int]:
        found = self._peek(self._name(name), lambda file: file.read())
        if found is None:
            return Pointer(), 0
        return Pointer.from_json(found.value, found.updated.timestamp()), found.generation

    def _require_current(self, piece: TableSlice, before: Held | None) -> None:
        with self._failures():
            now = self._unpinned()._held(path_of(piece))
        if now is not None and before is not None and now.digest != before.digest:
            raise Overtaken(
                f"{piece} was replaced in the lake by another run while this one worked on the older version: "
                "what was made of that is not stored; the other run stores what belongs to the newer one"
            )

    def _unpinned(self) -> Self:
        lake = copy.copy(self)
        lake._seen = None
        return lake

    def _upload_rows(self, group: Group, piece: TableSlice, rows: Rows) -> tuple[Stored, Held]:
        rows = of_month(rows, self._month_column, piece.month)
        self._require_same_partitioning(piece)
        with self._temporary_folder() as folder:
            written = folder / "rows.parquet"
            count = write_parquet(rows, written)
            size = written.stat().st_size
            digest = sha256_of(written)[:_DIGEST]
            rows.confirm()
            name = PurePosixPath(path_of(piece)).name
            held = Held(_object_name(group, digest, name), digest, {"rows": str(count)})
            with self._failures():
                self._commit(held.object, written, held.facts)
        return Stored(count, size, rows.schema, {field.name: str(field.type) for field in rows.schema}), held

    def _upload_file(self, group: Group, raw: RawFile) -> tuple[RawFile, Held]:
        known = {key: str(getattr(raw, key)) for key in _ORIGIN if getattr(raw, key) is not None}
        held = Held(_object_name(group, raw.sha256[:_DIGEST], raw.path.name), raw.sha256, known)
        with self._failures():
            generation = self._commit(held.object, raw.path, known)
        kept = self._kept(generation, raw.path.name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(raw.path, kept)
        return replace(raw, path=kept), held

    def _fetched(self, place: str, held: Held | None) -> RawFile:
        with self._failures():
            blob = None if held is None else self._bucket.get_blob(self._name(held.object), **self._trying)
        if blob is None:
            raise SliceMissing(f"{self._url} has no {place}: materialize it first")
        folder, _, name = place.rpartition("/")
        kept = self._kept(blob.generation, name)
        if not kept.exists():
            with self._temporary_folder() as incoming:
                self._download(blob.name, incoming / name)
                kept.parent.mkdir(parents=True, exist_ok=True)
                (incoming / name).rename(kept)
        digest = sha256_of(kept)
        known = dict(blob.metadata or {})
        if "sha256" not in known:  # somebody else put it there
            return RawFile(kept, self.file_uri(folder, name), kept.stat().st_size, digest, None)
        if known["sha256"] != digest:
            raise SliceDamaged(
                f"{place} is damaged: its SHA-256 was {known['sha256'][:12]}… when it was stored, and is "
                f"{digest[:12]}… in gs://{self._bucket_name}/{blob.name}; taxi run for its month, or materializing "
                "it, fetches it again"
            )
        return RawFile(
            kept,
            known["url"],
            kept.stat().st_size,
            digest,
            int(known["rows"]) if "rows" in known else None,
            known.get("etag"),
            known.get("last_modified"),
        )

    def _publish(self, group: Group, members: Mapping[str, Held]) -> None:
        """Make these members current, all at once, beside those that they do not replace; then show the copies."""
        with self._failures():
            self._take_over(group, members)
            before, pointer = self._switch(group, members)
            for place in pointer.members:
                self._show(group, place)
            self._remove_old(group, pointer, (before.objects - pointer.objects) | pointer.long_past(pointer.written))

    def _take_over(self, group: Group, places: Mapping[str, Held]) -> None:
        """Have the pointer tell of what lies at the places otherwise: by an older layout, by hand, or of others."""
        others = {}
        for place in places:
            shown = self._bucket.get_blob(self._name(place), **self._trying)
            if shown is not None and (shown.metadata or {}).get(_POINTER) != _pointer_of(group):
                others[place] = shown
        adopted = {}
        for place, shown in others.items():
            name = _object_name(group, "adopted", PurePosixPath(place).name)
            facts = {key: value for key, value in (shown.metadata or {}).items() if key not in (_POINTER, _COPY_OF)}
            self._copy(shown, name, facts, 0)
            adopted[place] = Held(name, f"generation {shown.generation}", facts)
        if adopted:
            self._switch(group, adopted)
        for place in others:
            self._show(group, place)

    def _switch(self, group: Group, members: Mapping[str, Held]) -> tuple[Pointer, Pointer]:
        """Replace the pointer, and return the one that was replaced and the one that is current now."""
        name = _pointer_of(group)
        for _ in range(_ATTEMPTS):
            pointer, generation = self._pointer_and_generation(name)
            following = pointer.with_members(members)
            blob = self._bucket.blob(self._name(name))
            try:
                blob.upload_from_string(
                    following.to_json(), "application/json", if_generation_match=generation, **self._trying
                )
            except PreconditionFailed:
                # Either somebody else was faster, or our own commit was and only its answer got lost.
                present = self._pointer_and_generation(name)[0]
                if present == following:
                    return pointer, present
            else:
                return pointer, replace(following, written=blob.updated.timestamp())
        raise StoreUnavailable(f"gs://{self._bucket_name}/{self._name(name)} is replaced by others again and again")

    def _show(self, group: Group, place: str) -> None:
        """Make the copy at the place one of what is current, whoever else is at it.

        What is there is looked at before the pointer, and replaced only if it is still there: a slow process cannot put
        an older copy over a newer one.
        """
        for _ in range(_ATTEMPTS):
            shown = self._bucket.get_blob(self._name(place), **self._trying)
            held = self._pointer_and_generation(_pointer_of(group))[0].members[place]
            if shown is not None and (shown.metadata or {}).get(_COPY_OF) == held.object:
                return
            facts = {**held.facts, _POINTER: _pointer_of(group), _COPY_OF: held.object}
            with suppress(PreconditionFailed):
                source = self._bucket.blob(self._name(held.object))
                self._copy(source, place, facts, 0 if shown is None else shown.generation)
                return
        raise StoreUnavailable(f"gs://{self._bucket_name}/{self._name(place)} is replaced by others again and again")

    def _copy(self, source: storage.Blob, path: str, facts: Mapping[str, str], replaced: int) -> None:
        """Have the service copy an object, of which no byte comes here."""
        blob = self._bucket.blob(self._name(path))
        blob.metadata = dict(facts)
        blob.content_type = _content_type(path)
        token, _, _ = blob.rewrite(source, if_generation_match=replaced, **self._trying)
        while token is not None:
            token, _, _ = blob.rewrite(source, token=token, if_generation_match=replaced, **self._trying)

    def _remove_old(self, group: Group, pointer: Pointer, long_past: set[str]) -> None:
        """Remove what was current long ago, and what runs that were killed long ago have left."""
        abandoned = datetime.fromtimestamp(pointer.written, UTC) - _ABANDONED
        kept = {self._name(name) for name in (*pointer.objects, _pointer_of(group))}
        past = {self._name(name) for name in long_past}
        for blob in self._bucket.list_blobs(prefix=self._name(f"{group.folder}/"), **self._trying):
            if blob.name in past or (blob.name not in kept and blob.time_created < abandoned):
                with suppress(NotFound):
                    blob.delete(**self._trying)

    def _rows_at(self, path: str) -> int:
        with self._failures():
            held = self._held(path)
            seen = None if held is None else self._peek(self._name(held.object), _rows_of)
        return 0 if seen is None else seen.value

    def _peek(self, name: str, look: Callable[[BinaryIO], T]) -> _Seen[T] | None:
        """What `look` finds in the object, fetching what that reads only, and in which generation; None: no object."""
        for _ in range(_ATTEMPTS):
            blob = self._bucket.get_blob(name, **self._trying)
            if blob is None:
                return None
            generation = int(blob.generation)  # kept, since the client changes the blob's to that of every answer
            try:
                with blob.open("rb", chunk_size=_PEEK_BYTES, **self._trying) as file:
                    return _Seen(generation, blob.updated, look(file))
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
                    content_type=_content_type(name),
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


class GCSDraft:
    """The next version of a group, which nobody sees before it is published; made by `GCSLake.draft`."""

    def __init__(self, lake: GCSLake, group: Group, key: str, turn: Turn | None) -> None:
        self._lake = lake
        self._group = group
        self._name = f"{group.folder}/drafts/{quote(key, safe='')}.json"
        self._turn = turn
        self._members: dict[str, Held] = {}

    def replace(self, piece: TableSlice, rows: Rows) -> Stored:
        """As `GCSLake.replace`, to become current with the others."""
        stored, held = self._lake._upload_rows(self._group, piece, rows)
        self._add(path_of(piece), held)
        return stored

    def put_file(self, folder: str, raw: RawFile) -> RawFile:
        """As `GCSLake.put_file`, to become current with the others."""
        stored, held = self._lake._upload_file(self._group, raw)
        self._add(inside(f"{folder}/{raw.path.name}"), held)
        return stored

    def get_file(self, folder: str, name: str) -> RawFile:
        """The file of that name that becomes current with the others.

        It is the one that was put here; or that a run which ended before it got further has left for others to go on
        with; or the current one.

        Raises:
            SliceMissing: it is not there.
            SliceDamaged: its bytes are not those that were stored.
        """
        place = inside(f"{folder}/{name}")
        return self._lake._fetched(place, self._found(place))

    def read(self, table: str, months: Sequence[Month] | None = None) -> Rows:
        """The rows of the table, or of its month, that become current with the others: see `get_file`.

        Raises:
            SliceMissing: they are not there.
        """
        [piece] = [TableSlice(table)] if months is None else [TableSlice(table, month) for month in months]
        return self._lake._rows(table, [piece], [self._found(path_of(piece))])

    def publish(self) -> None:
        """Make everything current, in one step."""
        self._lake._publish(self._group, self._members)
        with self._lake._failures():
            for name in self._drafts():
                with suppress(NotFound):
                    self._lake._bucket.blob(name).delete(**self._lake._trying)

    def end(self) -> None:
        """Let the next run of the group go ahead; what is not published stays a draft."""
        if self._turn is not None:
            self._turn.end()

    def _add(self, place: str, held: Held) -> None:
        self._members[place] = held
        self._write(self._name, self._members, tried=())

    def _found(self, place: str) -> Held | None:
        if place in self._members:
            return self._members[place]
        with self._lake._failures():
            drafts = self._drafts()
            own = self._lake._name(self._name)
            for name in ([own] if own in drafts else []) + [one for one in reversed(drafts) if one != own]:
                told = self._lake._peek(name, lambda file: json.loads(file.read()))
                if told is None or place not in told.value["members"] or (name != own and place in told.value["tried"]):
                    continue
                members = {key: Held(**held) for key, held in told.value["members"].items()}
                self._write(self._lake._relative(name), members, tried=(*told.value["tried"], place))
                self._members[place] = members[place]
                return members[place]
            found = self._lake._held(place)
        if found is not None:
            self._members[place] = found  # what is made of it becomes current with it, not with its successor
        return found

    def _drafts(self) -> list[str]:
        """Names of the drafts of this group, the newest last."""
        prefix = self._lake._name(f"{self._group.folder}/drafts/")
        blobs = list(self._lake._bucket.list_blobs(prefix=prefix, **self._lake._trying))
        return [blob.name for blob in sorted(blobs, key=lambda blob: blob.updated)]

    def _write(self, name: str, members: Mapping[str, Held], tried: Sequence[str]) -> None:
        told = {"members": {place: asdict(held) for place, held in members.items()}, "tried": list(tried)}
        with self._lake._failures():
            blob = self._lake._bucket.blob(self._lake._name(name))
            blob.upload_from_string(json.dumps(told), "application/json", **self._lake._trying)


def _pointer_of(group: Group) -> str:
    return f"{group.folder}/{CURRENT}.json"


def _object_name(group: Group, digest: str, name: str) -> str:
    """A name that was never used before, so that nobody removes or replaces what is written under it."""
    return f"{group.folder}/files/{digest}-{uuid.uuid4().hex[:12]}/{name}"


def _content_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/vnd.apache.parquet"


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
