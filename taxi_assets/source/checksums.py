"""Checksums that a source states for a file: in response headers, or in sidecar files.

Only they detect a changed byte in files without checksums of their own: Snappy and Zstandard pages as TLC's writers
make them have none. Not here: checksums and statistics inside Parquet files (`column_chunks`).
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20
_MD5_ETAG = re.compile(r'"([0-9a-fA-F]{32})"')
_LINE = re.compile(r"\s*([0-9a-fA-F]+)(?:\s+\*?(.+?))?\s*")  # as sha256sum and md5sum write it
_SUMS_FILES = {"SHA256SUMS": "sha256", "MD5SUMS": "md5"}


@dataclass(frozen=True)
class Checksum:
    """A checksum of a complete file, as the source states it.

    Attributes:
        stated_by: the name of the header or of the sidecar file.
        algorithm: md5, sha256 or crc32c.
        hexdigest: in lower case.
    """

    stated_by: str
    algorithm: str
    hexdigest: str


def checksums_from_headers(headers: Mapping[str, str]) -> tuple[Checksum, ...]:
    """The checksums in the headers of a response with the complete file.

    A quoted ETag of 32 hexadecimal digits is an MD5, as S3 sets it for objects uploaded in one part, unless the object
    is encrypted with a customer's key. GCS states checksums of the stored bytes, which are other bytes than the
    response's where it decompresses them (decompressive transcoding): those are ignored.
    """
    if headers.get("x-goog-stored-content-encoding", "identity") != "identity":
        return ()
    stated = [
        ("Content-MD5", "md5", headers.get("content-md5", "")),
        *(
            ("Repr-Digest", "sha256", value)
            for value in re.findall(r"sha-256=:([^:]*):", headers.get("repr-digest", ""))
        ),
        *(
            ("x-goog-hash", name, value)
            for name, value in re.findall(r"(md5|crc32c)=([\w+/=]+)", headers.get("x-goog-hash", ""))
        ),
    ]
    found = [Checksum(header, name, digest) for header, name, value in stated if (digest := _from_base64(name, value))]
    etag = _MD5_ETAG.fullmatch(headers.get("etag", ""))
    if etag and not _has_customer_key(headers):
        found.append(Checksum("ETag", "md5", etag[1].lower()))
    return tuple(found)


def checksums_from_sidecars(file: Path) -> tuple[Checksum, ...]:
    """The file's checksums from `<name>.sha256`, `<name>.md5`, `SHA256SUMS` and `MD5SUMS` in its folder."""
    found = []
    for algorithm in ("sha256", "md5"):
        sidecar = file.with_name(f"{file.name}.{algorithm}")
        found += [
            Checksum(sidecar.name, algorithm, digest) for digest, name in _lines(sidecar) if name in ("", file.name)
        ]
    for sums, algorithm in _SUMS_FILES.items():
        sidecar = file.with_name(sums)
        found += [Checksum(sums, algorithm, digest) for digest, name in _lines(sidecar) if name == file.name]
    return tuple(found)


def checksum_mismatch(file: Path, checksums: tuple[Checksum, ...]) -> str | None:
    """A clause that names the first checksum that differs, with both digests; None where all are equal."""
    actual: dict[str, str] = {}
    for checksum in checksums:
        digest = actual.setdefault(checksum.algorithm, "") or _digest(file, checksum.algorithm)
        actual[checksum.algorithm] = digest
        if digest != checksum.hexdigest:
            return (
                f"its bytes have the {checksum.algorithm.upper()} {digest} and not {checksum.hexdigest} as stated by"
                f" {checksum.stated_by}"
            )
    return None


def _from_base64(algorithm: str, value: str) -> str | None:
    with suppress(ValueError):  # not base64
        digest = base64.b64decode(value, validate=True)
        if len(digest) == {"md5": 16, "sha256": 32, "crc32c": 4}[algorithm]:
            return digest.hex()
    return None


def _has_customer_key(headers: Mapping[str, str]) -> bool:
    return (
        headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )


def _lines(sums: Path) -> Iterator[tuple[str, str]]:
    """(digest, file name) for each line of a sums file; the name is empty where the line has a digest alone."""
    if not sums.is_file():
        return
    for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
        if match := _LINE.fullmatch(line):
            yield match[1].lower(), (match[2] or "").removeprefix("./")


def _digest(file: Path, algorithm: str) -> str:
    if algorithm == "crc32c":
        return _crc32c(file)
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _crc32c(file: Path) -> str:
    import google_crc32c  # comes with Google's storage client

    checksum = google_crc32c.Checksum()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            checksum.update(block)
    return str(checksum.digest().hex())
