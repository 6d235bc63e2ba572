from pathlib import Path

import pytest

from taxi_assets.errors import StoreUnavailable
from taxi_assets.source.atomic_write import write_atomically
from taxi_assets.source.base import RemoteFile

from .failing import failing

PATH = "trip-data/green_tripdata_2024-01.parquet"
DEV_FULL = Path("/dev/full")


@pytest.mark.skipif(not DEV_FULL.exists(), reason="there is no /dev/full here to stand for a full disk")
def test_a_full_disk_is_reported_with_its_folder(inbox: Path) -> None:
    def fill(_: Path) -> RemoteFile:
        DEV_FULL.write_bytes(b"PAR1")
        return RemoteFile("https://example.org/file")

    with failing(StoreUnavailable, f"{inbox} is full while green_tripdata_2024-01.parquet is written", inbox=inbox):
        write_atomically(PATH, inbox, fill)


def test_another_trouble_with_the_disk_stays_what_it_is(inbox: Path) -> None:
    def stumble(part: Path) -> RemoteFile:
        part.mkdir()
        part.write_bytes(b"PAR1")
        return RemoteFile("https://example.org/file")

    with failing(IsADirectoryError, None, inbox=inbox):
        write_atomically(PATH, inbox, stumble)


def test_an_interrupted_fetch_leaves_nothing(inbox: Path) -> None:
    def interrupt(part: Path) -> RemoteFile:
        part.write_bytes(b"PAR1")
        raise KeyboardInterrupt

    with failing(KeyboardInterrupt, None, inbox=inbox):
        write_atomically(PATH, inbox, interrupt)
