"""The checksums that a source states, in the headers of its answer or in a file beside the file."""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import google_crc32c
import pytest

from taxi_assets.errors import BadFile, SourceUnavailable
from taxi_assets.source.folder import FolderSource
from taxi_assets.source.http import HttpSource

from .cdn import Answer, Cdn
from .failing import failing

NAME = "green_tripdata_2024-01.parquet"
PATH = f"trip-data/{NAME}"


def md5(content: bytes) -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)


def in_base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def crc32c(content: bytes) -> str:
    return in_base64(google_crc32c.Checksum(content).digest())


STATED: dict[str, Callable[[bytes], Mapping[str, str]]] = {
    "an ETag that is an MD5": lambda content: {"ETag": f'"{md5(content).hexdigest()}"'},
    "Content-MD5": lambda content: {"Content-MD5": in_base64(md5(content).digest())},
    "Repr-Digest": lambda content: {"Repr-Digest": f"sha-256=:{in_base64(hashlib.sha256(content).digest())}:"},
    "GCS's MD5": lambda content: {"x-goog-hash": f"crc32c={crc32c(content)},md5={in_base64(md5(content).digest())}"},
    "GCS's CRC32C": lambda content: {"x-goog-hash": f"crc32c={crc32c(content)}"},
}
NO_CHECKSUM: dict[str, Mapping[str, str]] = {
    "a weak ETag": {"ETag": f'W/"{"0" * 32}"'},
    "an upload in parts": {"ETag": f'"{"0" * 32}-2"'},
    "a key of the owner's": {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"},
    "a key of the client's": {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption-customer-algorithm": "AES256"},
    "decompressed on the way": {
        "x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA==",
        "x-goog-stored-content-encoding": "gzip",
    },
    "no base64": {"Content-MD5": "§§§".encode().decode("latin-1")},
    "too short": {"Content-MD5": "AAAA"},
}


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2  # in the noise: neither Snappy nor the statistics notice
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("stated", STATED.values(), ids=STATED)
def test_a_bit_flipped_on_the_way_once_is_fetched_again(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, stated: Callable[[bytes], Mapping[str, str]]
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(body=damaged(trips), headers=stated(trips)), Answer(headers=stated(trips)))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, None]


@pytest.mark.parametrize("stated", STATED.values(), ids=STATED)
def test_bytes_that_are_not_what_the_source_states_are_refused(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, stated: Callable[[bytes], Mapping[str, str]]
) -> None:
    cdn.put(PATH, damaged(trips))
    cdn.will(*[Answer(headers=stated(trips))] * 9)
    with failing(
        BadFile, f"{NAME} arrived damaged twice: its bytes have the .* as stated by .*another source", inbox=inbox
    ):
        source.fetch(PATH, inbox)
    assert len(cdn.requests) == 2


@pytest.mark.parametrize("headers", NO_CHECKSUM.values(), ids=NO_CHECKSUM)
def test_what_is_no_checksum_of_the_file_is_not_taken_for_one(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, headers: Mapping[str, str]
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(headers=headers))
    assert source.fetch(PATH, inbox).rows == 2000


def test_wrong_bytes_after_a_break_under_the_same_etag_are_fetched_again(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips, f'"{md5(trips).hexdigest()}"')
    cdn.will(Answer(cut=150_000), Answer(body=damaged(trips)))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-", None]


def test_an_etag_that_lies_does_not_join_two_files(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    other = trips[:200_000] + trips[200_100:300_000] + trips[200_000:200_100] + trips[300_000:]
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=150_000, afterwards=lambda: cdn.put(PATH, other)))
    with failing(BadFile, "damaged: column noise cannot be read", inbox=inbox):
        source.fetch(PATH, inbox)


def test_a_part_of_another_date_is_not_appended(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=150_000), Answer(headers={"Last-Modified": "Fri, 23 Feb 2024 15:04:05 GMT"}))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-", None]


@pytest.fixture
def mirror(tmp_path: Path, trips: bytes) -> Path:
    (tmp_path / "mirror/trip-data").mkdir(parents=True)
    (tmp_path / "mirror" / PATH).write_bytes(trips)
    return tmp_path / "mirror"


SUMS = {
    "SHA256SUMS": "{other}  green_tripdata_2023-12.parquet\n{sha256}  green_tripdata_2024-01.parquet\n",
    "MD5SUMS": "{md5} *./green_tripdata_2024-01.parquet\n",
    f"{NAME}.sha256": "{sha256}\n",
    f"{NAME}.md5": "{md5}  green_tripdata_2024-01.parquet\n",
}


@pytest.mark.parametrize("name", SUMS)
def test_a_file_is_compared_with_the_checksum_beside_it(mirror: Path, inbox: Path, trips: bytes, name: str) -> None:
    digests = {"sha256": hashlib.sha256(trips).hexdigest(), "md5": md5(trips).hexdigest().upper(), "other": "0" * 64}
    (mirror / "trip-data" / name).write_text(SUMS[name].format(**digests))
    assert FolderSource(mirror).fetch(PATH, inbox).rows == 2000
    (inbox / NAME).unlink()
    (mirror / PATH).write_bytes(damaged(trips))
    with failing(BadFile, f"{NAME} is damaged, or the checksum beside it.*stated by {name};.*file:///", inbox=inbox):
        FolderSource(mirror).fetch(PATH, inbox)


def test_checksums_of_other_files_are_not_this_ones(mirror: Path, inbox: Path) -> None:
    (mirror / "trip-data/SHA256SUMS").write_text(f"# of 2024\n{'0' * 64}  green_tripdata_2023-12.parquet\n")
    assert FolderSource(mirror).fetch(PATH, inbox).rows == 2000


def test_a_file_that_changes_while_it_is_copied_is_not_taken(mirror: Path, inbox: Path) -> None:
    def touch(*_: object) -> None:
        os.utime(mirror / PATH, ns=(1, 1))

    with failing(SourceUnavailable, f"{NAME} changed while it was copied; run again", inbox=inbox):
        FolderSource(mirror).fetch(PATH, inbox, touch)
