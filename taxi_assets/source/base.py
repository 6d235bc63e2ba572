"""The protocol of sources, and the metadata that they return for a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from taxi_assets.raw_file import RawFile
from taxi_assets.source.checksums import Checksum

Progress = Callable[[str, int, int | None], None]
"""Callback: file name, bytes received, total bytes (None where the source states no length)."""


@dataclass(frozen=True)
class RemoteFile:
    """Metadata of a file at the source, as a HEAD request returns it.

    Attributes:
        url: without credentials.
        size: in bytes; None where the source states none.
        etag: as the source sent it; None where it sent none.
        last_modified: as the source sent it, in RFC 9110 form; None where it sent none.
        checksums: those that the source states for the complete file.
    """

    url: str
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    checksums: tuple[Checksum, ...] = ()

    @property
    def version(self) -> str:
        """Identifies the file's version by its headers: ETag, else size, else modification date; empty without them."""
        facts = (self.etag, self.size, self.last_modified)
        return str(next((value for value in facts if value), ""))


class Source(Protocol):
    """A place with files under the paths that they have on TLC's CDN.

    A `path` is relative to the CDN's root: `trip-data/green_tripdata_2024-01.parquet`.

    Attributes:
        url: the source's URL without credentials, for logs and metadata.
    """

    url: str

    def head(self, path: str) -> RemoteFile | None:
        """The file's metadata; None where it is not published (yet).

        Raises:
            SourceUnavailable: the source does not answer.
        """
        ...

    def names(self, folder: str) -> set[str] | None:
        """The names of the files in a folder such as `trip-data`; None where the source cannot list folders.

        Raises:
            SourceUnavailable: the source does not answer.
        """
        ...

    def fetch(self, path: str, folder: Path, progress: Progress | None = None) -> RawFile:
        """Write the file to the folder under its own name, atomically and after verification.

        Raises:
            NotPublished: the source has no such file (yet).
            SourceUnavailable: the source does not answer, or the transfer broke off.
            BadFile: the bytes are not a complete file of the kind that the suffix says, or a checksum differs.
            StoreUnavailable: the disk is full.
        """
        ...
