"""What every source can do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from taxi_assets.raw_file import RawFile
from taxi_assets.source.checksums import Checksum

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far and its bytes in all (None where the source does not tell)."""


@dataclass(frozen=True)
class RemoteFile:
    """What a source tells about a file without sending it.

    Attributes:
        url: where the file is, without credentials.
        size: in bytes; None where the source does not tell.
        etag: as the source sent it; None where it sent none.
        last_modified: as the source sent it, RFC 9110 form; None where it sent none.
        checksums: of the whole file, those that the source states.
    """

    url: str
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    checksums: tuple[Checksum, ...] = ()


class Source(Protocol):
    """A place that holds files under the names they have on TLC's CDN.

    A `path` is relative to the CDN's root: `trip-data/green_tripdata_2024-01.parquet`.

    Attributes:
        url: where the source is, without credentials: safe to show.
    """

    url: str

    def head(self, path: str) -> RemoteFile | None:
        """What the source tells about the file; None where it is not published (yet).

        Raises:
            SourceUnavailable: the source does not answer.
        """
        ...

    def names(self, folder: str) -> set[str] | None:
        """The names of the files in a folder such as `trip-data`; None where they can only be asked for one by one.

        Raises:
            SourceUnavailable: the source does not answer.
        """
        ...

    def fetch(self, path: str, folder: Path, progress: Progress | None = None) -> RawFile:
        """Put the file into the folder under its own name, whole and verified, or not at all.

        Raises:
            NotPublished: the source has no such file (yet).
            SourceUnavailable: the source does not answer, or stopped in the middle.
            BadFile: what the source sent is not what the name promises.
            StoreUnavailable: the disk is full.
        """
        ...
