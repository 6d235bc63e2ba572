import hashlib
import os
from pathlib import Path

import pytest

from taxi_assets.errors import BadFile, NotPublished, SourceUnavailable
from taxi_assets.raw_file import RawFile
from taxi_assets.source.base import RemoteFile
from taxi_assets.source.folder import FolderSource

from .failing import failing

NAME = "green_tripdata_2024-01.parquet"
PATH = f"trip-data/{NAME}"
MODIFIED = 1_708_614_245  # 2024-02-22 15:04:05 UTC
UNREADABLE = Path("/proc/self/mem")  # opens, but its first byte cannot be read, not even by root


@pytest.fixture
def mirror(tmp_path: Path, trips: bytes) -> Path:
    file = tmp_path / "my mirror" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(trips)
    os.utime(file, (MODIFIED, MODIFIED))
    return tmp_path / "my mirror"


def test_head_returns_what_the_file_system_states(mirror: Path, trips: bytes) -> None:
    assert FolderSource(mirror).head(PATH) == RemoteFile(
        url=f"{mirror.as_uri()}/{PATH}",
        size=len(trips),
        etag=f'"{len(trips):x}-{MODIFIED * 10**9:x}"',
        last_modified="Thu, 22 Feb 2024 15:04:05 GMT",
    )


def test_head_of_a_file_that_is_not_there_is_none(mirror: Path) -> None:
    (mirror / "trip-data" / "a_folder.parquet").mkdir()
    source = FolderSource(mirror)
    assert source.head("trip-data/green_tripdata_2024-02.parquet") is None
    assert source.head("trip-data/a_folder.parquet") is None


def test_fetch_copies_the_whole_file(mirror: Path, inbox: Path, trips: bytes) -> None:
    source = FolderSource(mirror)
    published = source.head(PATH)
    assert published is not None
    assert source.fetch(PATH, inbox) == RawFile(
        path=inbox / NAME,
        url=published.url,
        size=len(trips),
        sha256=hashlib.sha256(trips).hexdigest(),
        rows=2000,
        etag=published.etag,
        last_modified=published.last_modified,
    )
    assert [file.name for file in inbox.iterdir()] == [NAME]
    assert (inbox / NAME).read_bytes() == trips


def test_a_folder_may_be_given_relative_to_the_working_directory(
    mirror: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mirror.parent)
    source = FolderSource(Path(mirror.name))
    monkeypatch.chdir("/")
    assert source.url == mirror.as_uri()
    assert source.fetch(PATH, inbox).rows == 2000


def test_a_file_that_is_not_there_is_not_published(mirror: Path, inbox: Path) -> None:
    with failing(NotPublished, "my%20mirror has no trip-data/x.parquet", inbox=inbox):
        FolderSource(mirror).fetch("trip-data/x.parquet", inbox)


def test_a_file_that_is_not_whole_is_refused(mirror: Path, inbox: Path, trips: bytes) -> None:
    (mirror / PATH).write_bytes(trips[:-1])
    with failing(BadFile, f"^{NAME} is cut short.*it came from file:///", inbox=inbox):
        FolderSource(mirror).fetch(PATH, inbox)


@pytest.mark.parametrize("where", ["nowhere", "my mirror/trip-data"])
def test_a_folder_that_is_not_laid_out_like_the_cdn_is_named(mirror: Path, inbox: Path, where: str) -> None:
    source = FolderSource(mirror.parent / where)
    text = f"there is no folder {mirror.parent / where}/trip-data: .*laid out like TLC's CDN.*misc/taxi_zone_lookup.csv"
    with pytest.raises(SourceUnavailable, match=text):
        source.head(PATH)
    with failing(SourceUnavailable, text, inbox=inbox):
        source.fetch(PATH, inbox)


@pytest.mark.skipif(not UNREADABLE.exists(), reason=f"there is no {UNREADABLE} here")
def test_a_file_that_cannot_be_read_is_unavailable(mirror: Path, inbox: Path) -> None:
    (mirror / "trip-data" / "bad.parquet").symlink_to(UNREADABLE)
    with failing(SourceUnavailable, "bad.parquet cannot be read: Input/output error", inbox=inbox):
        FolderSource(mirror).fetch("trip-data/bad.parquet", inbox)


def test_progress_is_reported_at_the_end(mirror: Path, inbox: Path, trips: bytes) -> None:
    reported: list[tuple[str, int, int | None]] = []
    FolderSource(mirror).fetch(PATH, inbox, lambda *now: reported.append(now))
    assert reported[-1] == (NAME, len(trips), len(trips))


def test_real_files_are_fetched_as_they_are(tlc: Path, inbox: Path) -> None:
    source = FolderSource(tlc)
    assert source.fetch("misc/taxi_zone_lookup.csv", inbox).rows == 265
    file = source.fetch("trip-data/yellow_tripdata_2009-01.parquet", inbox)
    assert (file.rows, file.size) == (14_092, 848_118)
