"""Objects of a bucket, by their path in the lake: requests with retries, conditional writes, and translated errors."""

import base64
import mimetypes
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import google_crc32c
import pyarrow as pa
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.google_errors import google_failures, session_is_lost
from taxi_assets.stores.os_errors import damaged
from taxi_assets.stores.retries import Conflict, retry_conflicts

_UPLOAD_CHUNK = 8 << 20  # bytes; a larger file is uploaded in chunks of this size, each of which is retried by itself
_PEEK_BYTES = 256 << 10  # the footer of a month of 20,000,000 rows has 200 kB
_TRIES = 4  # that fit into the patience, where each request waits for an answer in vain

T = TypeVar("T")


@dataclass(frozen=True)
class Seen(Generic[T]):
    """What was read from an object, and from which generation of it."""

    generation: int
    updated: datetime
    value: T


class Objects:
    """The objects under a prefix of a bucket; all paths are relative to it.

    Args:
        open_client: opens the client that all requests go through; called once, at the first request.
        bucket: the bucket's name.
        prefix: without slashes at its ends; may be empty.
        patience: seconds to retry a service that does not answer.
    """

    def __init__(self, open_client: Callable[[], storage.Client], bucket: str, prefix: str, patience: float) -> None:
        self._open_client = open_client
        self._bucket_name = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._patience = patience

    def __getstate__(self) -> dict[str, Any]:
        """Without the client: another process opens its own."""
        return {name: value for name, value in vars(self).items() if name != "_bucket"}

    def __str__(self) -> str:
        return f"gs://{self._bucket_name}/{self._prefix}".rstrip("/")

    def name(self, path: str) -> str:
        """The object's name in the bucket."""
        return f"{self._prefix}{path}"

    def path(self, blob: storage.Blob) -> str:
        """The object's path in the lake."""
        return str(blob.name).removeprefix(self._prefix)

    def uri(self, path: str) -> str:
        """The object's `gs://` URI."""
        return f"gs://{self._bucket_name}/{self.name(path)}"

    def get(self, path: str) -> storage.Blob | None:
        """The object as it is now; None where it does not exist."""
        return self._bucket.get_blob(self.name(path), **self._trying)

    def blob(self, path: str, **options: Any) -> storage.Blob:
        """The object for further requests, whether it exists or not; makes no request."""
        return self._bucket.blob(self.name(path), **options)

    def list(self, prefix: str, **options: Any) -> Iterator[storage.Blob]:
        """The objects whose path begins with the prefix."""
        return iter(self._bucket.list_blobs(prefix=self.name(prefix), **options, **self._trying))

    def delete(self, blob: storage.Blob) -> None:
        """Delete the object, if it still exists."""
        with suppress(NotFound):
            blob.delete(**self._trying)

    def copy(self, source: storage.Blob, path: str, metadata: Mapping[str, str], replaced: int) -> None:
        """Have the service copy an object; no byte is transferred here.

        Raises:
            PreconditionFailed: the generation at the path is not `replaced`; 0 stands for no object.
        """
        blob = self.blob(path)
        blob.metadata = dict(metadata)
        blob.content_type = _content_type(path)
        token, _, _ = blob.rewrite(source, if_generation_match=replaced, **self._trying)
        while token is not None:
            token, _, _ = blob.rewrite(source, token=token, if_generation_match=replaced, **self._trying)

    def write_text(self, path: str, text: str | bytes, **condition: int) -> storage.Blob:
        """Write a small object.

        Raises:
            PreconditionFailed: the condition, such as `if_generation_match`, is not met.
        """
        blob = self.blob(path)
        blob.upload_from_string(text, _content_type(path), **condition, **self._trying)
        return blob

    def peek(self, path: str, look: Callable[[BinaryIO], T]) -> Seen[T] | None:
        """The result of `look` on the object, which fetches only the ranges that it reads; None where none exists.

        Raises:
            SliceDamaged: the object cannot be read.
            StoreUnavailable: it was replaced during each of ten attempts.
        """

        def attempt() -> Seen[T] | None:
            blob = self.get(path)
            if blob is None:
                return None
            generation = int(blob.generation)  # a copy: the client updates the blob's with every answer
            try:
                with blob.open("rb", chunk_size=_PEEK_BYTES, **self._trying) as file:
                    return Seen(generation, blob.updated, look(file))
            except (NotFound, pa.ArrowInvalid, OSError) as error:
                if isinstance(error, OSError) and type(error) is not OSError:  # the connection's, and not Arrow's
                    raise
                # Ranges are requested by generation, and the object may be replaced between two of them. The service
                # answers 404 then; fake-gcs-server, which keeps no old generations, with bytes of the new one.
                present = self.get(path)
                if present is None or present.generation != generation:
                    raise Conflict from error
                if isinstance(error, NotFound):
                    raise
                raise damaged(self.uri(path), error) from error

        return retry_conflicts(attempt, f"{self.uri(path)} is replaced again and again while it is read")

    def download(self, path: str, to: Path) -> None:
        """Fetch the object in one request, which the service answers from one generation, also during a replacement."""
        with self.failures():
            self.blob(path).download_to_filename(str(to), checksum="crc32c", **self._trying)

    def upload(self, path: str, file: Path, metadata: Mapping[str, str]) -> int:
        """Upload the file in place of the object's present generation, and return the new generation.

        Raises:
            StoreUnavailable: another writer was faster, or the upload was lost, in each of ten attempts.
        """

        def attempt() -> int:
            present = self.get(path)
            blob = self.blob(path, chunk_size=_UPLOAD_CHUNK)
            blob.metadata = dict(metadata)
            try:
                blob.upload_from_filename(
                    str(file),
                    content_type=_content_type(path),
                    if_generation_match=0 if present is None else present.generation,
                    checksum="crc32c",
                    **self._trying,
                )
            except PreconditionFailed as error:
                # Another writer was faster, or this one's own commit was and its answer was lost.
                there = self.get(path)
                if there is not None and (there.crc32c, there.metadata) == (_crc32c_of(file), metadata):
                    return int(there.generation)
                raise Conflict from error
            except GoogleAPICallError as error:
                if session_is_lost(error):
                    raise Conflict from error
                raise
            return int(blob.generation)

        return retry_conflicts(
            attempt, f"{self.uri(path)} is replaced by others, or its upload is lost, again and again"
        )

    def failures(self) -> AbstractContextManager[None]:
        """Turn the errors of Google's client into this package's: see `_translated`."""
        return _translated(f"gs://{self._bucket_name}")

    @cached_property
    def _bucket(self) -> storage.Bucket:
        return self._open_client().bucket(self._bucket_name)

    @property
    def _trying(self) -> Mapping[str, Any]:
        return {"timeout": self._patience / _TRIES, "retry": DEFAULT_RETRY.with_timeout(self._patience)}


@contextmanager
def _translated(bucket: str) -> Iterator[None]:
    """Turn the errors of Google's client into this package's.

    Raises:
        StoreUnavailable: the service does not answer, or bytes were damaged on the way.
        StoreError: it refuses, or the bucket does not exist.
    """
    with google_failures(bucket, "roles/storage.objectAdmin"):
        try:
            yield
        except DataCorruption as error:
            raise StoreUnavailable(f"{bucket}: bytes were damaged on the way: {error}") from error
        except NotFound as error:
            raise StoreError(f"{bucket} does not exist: gcloud storage buckets create {bucket}") from error


def _content_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/vnd.apache.parquet"


def _crc32c_of(path: Path) -> str:
    """The file's checksum in the encoding of the service."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(_UPLOAD_CHUNK):
            checksum.update(block)
    return base64.b64encode(checksum.digest()).decode()
