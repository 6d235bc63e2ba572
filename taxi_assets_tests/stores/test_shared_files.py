"""A file of the lake that several runs add to loses no addition, on a disk and in a bucket."""

import subprocess
import sys
from pathlib import Path

import pytest

from taxi_assets.errors import StoreError
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets_tests.servers.gcs import new_bucket

ADDITIONS = {"a folder": 100, "a bucket": 10}
AnyLake = LocalLake | GCSLake

# A process that adds its name to the file, so many times.
WRITER = """
import sys
from pathlib import Path
from taxi_assets_tests.stores.test_shared_files import lake_of
place, name, times = sys.argv[1:]
lake = lake_of(place)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(times)):
    lake.update_file("shared", "names.txt", lambda before: (before or b"") + name.encode())
"""


def lake_of(place: str) -> AnyLake:
    """The lake in a folder, or in the bucket of that name."""
    if place.startswith("gs://"):
        return GCSLake(open_client, place.removeprefix("gs://"), "lake", Path("/nonexistent"))
    return LocalLake(Path(place))


@pytest.fixture(params=list(ADDITIONS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "a folder":
        return str(tmp_path / "lake")
    request.getfixturevalue("gcs")
    return f"gs://{new_bucket().name}"


@pytest.fixture
def lake(place: str) -> AnyLake:
    return lake_of(place)


def content(lake: AnyLake) -> bytes | None:
    found: list[bytes | None] = []

    def look(before: bytes | None) -> bytes:
        found.append(before)
        return before or b""

    lake.update_file("shared", "names.txt", look)
    return found[-1]


@pytest.mark.slow
def test_processes_that_add_to_one_file_at_once_lose_no_addition(place: str, lake: AnyLake) -> None:
    times = ADDITIONS["a bucket" if isinstance(lake, GCSLake) else "a folder"]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, place, name, str(times)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(200) for writer in writers] == [0, 0]
    for writer in writers:
        writer.communicate()
    assert sorted((content(lake) or b"").decode()) == sorted("ab" * times)


def test_what_a_change_gets_is_what_the_one_before_wrote(lake: AnyLake) -> None:
    lake.update_file("shared", "names.txt", lambda before: b"new" if before is None else b"old")
    assert content(lake) == b"new"


def test_a_file_that_stays_as_it_is_keeps_its_version(lake: AnyLake) -> None:
    lake.update_file("shared", "names.txt", lambda _: b"one")
    before = lake.file_versions("shared")
    lake.update_file("shared", "names.txt", lambda _: b"one")
    assert lake.file_versions("shared") == before
    lake.update_file("shared", "names.txt", lambda _: b"another")
    assert lake.file_versions("shared").keys() == before.keys()
    assert lake.file_versions("shared") != before


def test_a_folder_that_does_not_exist_has_no_files(lake: AnyLake) -> None:
    assert lake.file_versions("nowhere") == {}


def test_a_change_that_fails_leaves_the_file_as_it_was(lake: AnyLake) -> None:
    def fail(_: bytes | None) -> bytes:
        raise KeyError("no such name")

    lake.update_file("shared", "names.txt", lambda _: b"one")
    with pytest.raises(KeyError, match="no such name"):
        lake.update_file("shared", "names.txt", fail)
    assert content(lake) == b"one"


def test_a_folder_that_cannot_be_written_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "shared").write_text("a file is in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        LocalLake(tmp_path / "lake").update_file("shared", "names.txt", lambda _: b"")
