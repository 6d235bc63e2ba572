"""A source file on the local disk, with the headers and the hash that identify its version."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """An unchanged copy of a source file, and its origin.

    Attributes:
        path: of the local copy.
        url: of the source file, without credentials.
        size: in bytes.
        sha256: of the bytes, in hexadecimal.
        rows: number of rows: the Parquet footer's count, or the lines after a CSV file's header; None if not counted.
        etag: the HTTP header; None if the source sent none.
        last_modified: the HTTP header, in RFC 9110 format; None if the source sent none.
    """

    path: Path
    url: str
    size: int
    sha256: str
    rows: int | None
    etag: str | None = None
    last_modified: str | None = None


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
