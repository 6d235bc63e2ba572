"""Versions of a lake: what becomes current together, what stays readable, and what goes."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from google.cloud import storage

from taxi_assets.errors import Overtaken, SliceMissing
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder import versions
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.lake.gcs import manifest
from taxi_assets.stores.lake.gcs.client import open_client
from taxi_assets.stores.lake.gcs.store import GCSLake
from taxi_assets.stores.lake.gcs.versions import Versions as GCSVersions
from taxi_assets_tests.servers.gcs import new_bucket

from .contract import JANUARY
from .versions import rows_of, version_of

CLEAN, QUARANTINE = TableSlice("clean/trips", JANUARY), TableSlice("quarantine/trips", JANUARY)
RAW, FILE = "raw/trips", "trips_2024-01.csv"

AnyLake = LocalLake | GCSLake


@pytest.fixture
def local(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture(params=["local", "gcs"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, local: LocalLake) -> AnyLake:
    if request.param == "local":
        return local
    request.getfixturevalue("gcs")
    return GCSLake(open_client, new_bucket().name, "lake", tmp_path / "scratch", patience=20, turns=tmp_path / "turns")


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[[str], RawFile]:
    """Makes a file with that text, on its way into the lake."""

    def fetch(text: str) -> RawFile:
        path = tmp_path / "inbox" / FILE
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return RawFile(path, "https://example.org/trips.csv", len(text), sha256_of(path), rows=0)

    return fetch


def no_word(line: str) -> None:
    pytest.fail(line)


def contents(lake: AnyLake) -> tuple[str, int, int]:
    """The versions of the three that belong together."""
    raw = lake.get_file(RAW, FILE).path.read_text()
    return raw, version_of(lake, CLEAN, 10), version_of(lake, QUARANTINE, 10)


def publish(lake: AnyLake, raw: RawFile, version: int, key: str = "run") -> None:
    draft = lake.draft(CLEAN, key, no_word)
    draft.put_file(RAW, raw)
    draft.replace(QUARANTINE, rows_of(version, 10))
    draft.replace(CLEAN, rows_of(version, 10))
    draft.publish()
    draft.end()


# Together


def test_what_belongs_together_becomes_current_together(lake: AnyLake, fetch: Callable[[str], RawFile]) -> None:
    publish(lake, fetch("first"), 1)
    draft = lake.draft(CLEAN, "run", no_word)
    for step in (
        lambda: draft.put_file(RAW, fetch("second")),
        lambda: draft.replace(QUARANTINE, rows_of(2, 10)),
        lambda: draft.replace(CLEAN, rows_of(2, 10)),
    ):
        assert contents(lake) == ("first", 1, 1)
        step()
    assert contents(lake) == ("first", 1, 1)
    draft.publish()
    draft.end()
    assert contents(lake) == ("second", 2, 2)


def test_what_was_never_there_is_not_there_before_all_of_it_is(lake: AnyLake, fetch: Callable[[str], RawFile]) -> None:
    draft = lake.draft(CLEAN, "run", no_word)
    draft.put_file(RAW, fetch("first"))
    draft.replace(CLEAN, rows_of(1, 10))
    draft.end()
    with pytest.raises(SliceMissing):
        lake.get_file(RAW, FILE)
    assert (lake.months("clean/trips"), lake.count(CLEAN)) == ([], 0)


def test_a_run_goes_on_with_what_it_stored_and_not_with_what_another_published(
    lake: AnyLake, fetch: Callable[[str], RawFile]
) -> None:
    publish(lake, fetch("first"), 1)
    draft = lake.draft(CLEAN, "run", no_word)
    draft.put_file(RAW, fetch("mine"))
    lake.put_file(RAW, fetch("another's"))
    assert draft.get_file(RAW, FILE).path.read_text() == "mine"
    draft.end()


def test_what_is_made_of_the_current_file_becomes_current_with_it(
    lake: AnyLake, fetch: Callable[[str], RawFile]
) -> None:
    publish(lake, fetch("first"), 1)
    draft = lake.draft(CLEAN, "other rules", no_word)
    assert draft.get_file(RAW, FILE).path.read_text() == "first"
    lake.put_file(RAW, fetch("second"))
    for piece in (QUARANTINE, CLEAN):
        draft.replace(piece, rows_of(3, 10))
    draft.publish()
    draft.end()
    assert contents(lake) == ("first", 3, 3)


def test_a_run_that_is_made_in_the_place_of_another_goes_on_with_its_file(
    lake: AnyLake, fetch: Callable[[str], RawFile]
) -> None:
    publish(lake, fetch("first"), 1)
    first = lake.draft(CLEAN, "run", no_word)
    first.put_file(RAW, fetch("second"))
    first.end()
    for key, found in (("run", "second"), ("run", "second"), ("another", "first")):
        draft = lake.draft(CLEAN, key, no_word)
        assert draft.get_file(RAW, FILE).path.read_text() == found
        draft.end()


def test_a_file_that_was_fetched_alone_waits_for_the_next_run(lake: AnyLake, fetch: Callable[[str], RawFile]) -> None:
    publish(lake, fetch("first"), 1)
    for key, text in (("older", "second"), ("newer", "third")):
        alone = lake.draft(CLEAN, key, no_word)
        alone.put_file(RAW, fetch(text))
        alone.end()
    draft = lake.draft(CLEAN, "cleaning alone", no_word)
    assert draft.get_file(RAW, FILE).path.read_text() == "third"
    for piece in (QUARANTINE, CLEAN):
        draft.replace(piece, rows_of(3, 10))
    draft.publish()
    draft.end()
    assert contents(lake) == ("third", 3, 3)


def test_rows_that_wait_are_read_like_files(lake: AnyLake) -> None:
    draft = lake.draft(CLEAN, "run", no_word)
    draft.replace(QUARANTINE, rows_of(7, 10))
    assert draft.read("quarantine/trips", [JANUARY]).to_table()["version"].unique().to_pylist() == [7]
    with pytest.raises(SliceMissing):
        draft.read("clean/trips", [JANUARY])
    draft.end()


def test_one_look_at_the_lake_finds_one_version(lake: AnyLake, fetch: Callable[[str], RawFile]) -> None:
    publish(lake, fetch("first"), 1)
    look = lake.pinned()
    assert look.count(CLEAN) == 10
    publish(lake, fetch("second"), 2)
    assert contents(look) == ("first", 1, 1)
    assert contents(lake) == ("second", 2, 2)


# Overtaken


def test_rows_know_whether_another_run_has_replaced_them(lake: AnyLake) -> None:
    lake.replace(CLEAN, rows_of(1, 10))
    rows = lake.read("clean/trips", [JANUARY])
    seen = rows.with_provenance({"taxi/rules": "none"}).watched(rows.batches)
    lake.replace(CLEAN, rows_of(1, 10))  # the same content, so that nobody is overtaken
    seen.confirm()
    lake.replace(CLEAN, rows_of(2, 10))
    with pytest.raises(Overtaken, match=r"clean/trips 2024-01 was replaced"):
        seen.confirm()
    with pytest.raises(Overtaken):
        lake.replace(TableSlice("other/trips", JANUARY), seen)
    assert lake.count(TableSlice("other/trips", JANUARY)) == 0


# Turns


def test_runs_of_one_month_take_turns_and_say_for_whom_they_wait(lake: AnyLake) -> None:
    told: list[str] = []
    first = lake.draft(CLEAN, "first", no_word)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(lake.draft, CLEAN, "second", told.append)
        started = time.monotonic()
        while not told and time.monotonic() - started < 30:
            time.sleep(0.05)
        assert not waiting.done()
        first.end()
        waiting.result(timeout=30).end()
    assert f"process {os.getpid()}, which is making clean/trips 2024-01" in told[0]


def test_runs_of_other_months_do_not_wait(lake: AnyLake) -> None:
    first = lake.draft(CLEAN, "first", no_word)
    lake.draft(TableSlice("clean/trips", JANUARY.plus(1)), "second", no_word).end()
    first.end()


# What stays, and what goes


def test_what_a_reader_has_found_stays_readable_for_a_while(local: LocalLake) -> None:
    local.replace(CLEAN, rows_of(1, 10))
    [found] = [path.resolve() for path in local.root.glob("clean/trips/*/*.parquet")]
    local.replace(CLEAN, rows_of(2, 10))
    assert pq.read_table(found, partitioning=None)["version"].unique().to_pylist() == [1]
    seen = duckdb.sql(f"SELECT DISTINCT version FROM '{local.root}/clean/trips/month=*/*.parquet'").fetchall()
    assert seen == [(2,)]


def test_what_was_replaced_long_ago_goes_with_the_next_writer(
    lake: AnyLake, fetch: Callable[[str], RawFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, fetch("first"), 1)
    old = lake.read("clean/trips", [JANUARY])
    publish(lake, fetch("second"), 2)
    assert old.to_table().num_rows == 10
    for module in (versions, manifest):
        monkeypatch.setattr(module, "GRACE_SECONDS", -1)
    publish(lake, fetch("third"), 3)
    assert contents(lake) == ("third", 3, 3)
    with pytest.raises((FileNotFoundError, SliceMissing, Exception)):
        old.to_table()


def test_what_failed_before_it_was_published_goes_with_the_next_version(
    local: LocalLake, fetch: Callable[[str], RawFile]
) -> None:
    draft = local.draft(CLEAN, "failed", no_word)
    kept = draft.put_file(RAW, fetch("bad")).path
    draft.end()
    assert kept.exists()
    publish(local, fetch("good"), 1)
    assert not kept.exists()


def test_a_file_that_no_version_names_goes(local: LocalLake) -> None:
    local.replace(CLEAN, rows_of(1, 10))
    left = local.root / ".versions" / "clean/trips" / "month=2024-01" / "files" / "killed" / "trips-killed.parquet"
    left.parent.mkdir()
    left.write_bytes(b"PAR1")
    local.replace(CLEAN, rows_of(2, 10))
    assert not left.parent.exists()


# The older layout


def test_a_folder_lake_of_the_older_layout_is_read_and_taken_over(
    local: LocalLake, fetch: Callable[[str], RawFile]
) -> None:
    for layer in ("clean", "quarantine"):
        path = local.root / layer / "trips" / "month=2024-01" / "trips.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(rows_of(1, 10).to_table(), path)
    raw = local.root / RAW / FILE
    raw.parent.mkdir(parents=True)
    raw.write_text("older")
    origin = {"url": "https://example.org/trips.csv", "sha256": sha256_of(raw), "rows": 0, "etag": None}
    raw.with_name(f".{FILE}.origin.json").write_text(json.dumps(origin))
    assert contents(local) == ("older", 1, 1)
    assert local.get_file(RAW, FILE).url == "https://example.org/trips.csv"
    draft = local.draft(CLEAN, "other rules", no_word)
    assert draft.get_file(RAW, FILE).path.read_text() == "older"
    draft.replace(QUARANTINE, rows_of(2, 10))
    draft.replace(CLEAN, rows_of(2, 10))
    assert contents(local) == ("older", 1, 1)
    draft.publish()
    draft.end()
    assert contents(local) == ("older", 2, 2)
    assert local.get_file(RAW, FILE).url == "https://example.org/trips.csv"
    assert sorted(path.name for path in local.root.glob("*/trips/*")) == ["month=2024-01"] * 2 + [FILE]
    assert all(path.is_symlink() for path in local.root.glob("*/trips/*"))


def test_a_bucket_of_the_older_layout_is_read_and_taken_over(gcs: object, tmp_path: Path) -> None:
    bucket = new_bucket()
    lake = GCSLake(open_client, bucket.name, "lake", tmp_path / "scratch", patience=20)
    written = tmp_path / "rows.parquet"
    pq.write_table(rows_of(1, 10).to_table(), written)
    for layer in ("clean", "quarantine"):
        bucket.blob(f"lake/{layer}/trips/month=2024-01/trips.parquet").upload_from_filename(str(written))
    assert version_of(lake, CLEAN, 10) == 1
    old = lake.read("clean/trips", [JANUARY])
    lake.replace(CLEAN, rows_of(2, 10))
    assert (version_of(lake, CLEAN, 10), version_of(lake, QUARANTINE, 10)) == (2, 1)
    with pytest.raises(Overtaken):
        old.confirm()


# Copies in the bucket


def test_a_writer_that_was_killed_before_it_made_the_copies_is_made_up_for(
    gcs: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetch: Callable[[str], RawFile]
) -> None:
    lake = GCSLake(open_client, (bucket := new_bucket()).name, "lake", tmp_path / "scratch", patience=20)
    publish(lake, fetch("first"), 1)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(GCSVersions, "show", killed)
        with pytest.raises(Killed):
            publish(lake, fetch("second"), 2)
    assert contents(lake) == ("second", 2, 2)
    assert bucket.blob(f"lake/{RAW}/{FILE}").download_as_text() == "first"
    lake.replace(CLEAN, rows_of(3, 10))
    assert bucket.blob(f"lake/{RAW}/{FILE}").download_as_text() == "second"
    assert contents(lake) == ("second", 3, 2)


def test_a_slow_writer_does_not_put_an_older_copy_over_a_newer_one(
    gcs: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = GCSLake(open_client, (bucket := new_bucket()).name, "lake", tmp_path / "scratch", patience=20)
    lake.replace(CLEAN, rows_of(0, 10))
    switch = GCSVersions.switch
    others = [rows_of(2, 10)]

    def overtaken_after_the_switch(self: GCSVersions, *arguments: object) -> object:
        switched = switch(self, *arguments)
        if others:
            lake.replace(CLEAN, others.pop())
        return switched

    monkeypatch.setattr(GCSVersions, "switch", overtaken_after_the_switch)
    lake.replace(CLEAN, rows_of(1, 10))
    shown: storage.Blob = bucket.get_blob("lake/clean/trips/month=2024-01/trips.parquet")
    copy = tmp_path / "copy.parquet"
    shown.download_to_filename(str(copy))
    assert pq.read_table(copy, partitioning=None)["version"].unique().to_pylist() == [2]
    assert version_of(lake, CLEAN, 10) == 2
