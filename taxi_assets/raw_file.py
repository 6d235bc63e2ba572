"""A file as the source published it, with what is needed to tell later whether it changed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """Bytes of the source on the local disk, untouched, and where they came from.

    Attributes:
        path: where the bytes are now.
        url: where they came from, without credentials.
        size: in bytes.
        sha256: of the bytes, in hexadecimal.
        rows: rows in the file: the Parquet footer's count, or the lines after a CSV file's header; None if not counted.
        etag: as the source sent it; None where it sent none.
        last_modified: as the source sent it, RFC 9110 form; None where it sent none.
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
