"""Temporary folders, and what lies beside them."""

import gc
import os
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from taxi_assets.io_managers import GCSLakeIOManager
from taxi_assets.resources.google_cloud import GCSResource
from taxi_assets.settings import Settings
from taxi_assets.stores.duckdb.engine import query_config
from taxi_assets.stores.scratch import MARK, PREFIX, scratch_folder
from taxi_assets_tests.homes import Home


def test_only_folders_that_we_made_and_marked_are_removed(tmp_path: Path) -> None:
    theirs = [tmp_path / name / "draft.txt" for name in ("thesis", f"{PREFIX}of-somebody", "kept", "tmpabcdef")]
    for file in theirs:
        file.parent.mkdir()
        file.write_text("two years of work")
    ours = tmp_path / f"{PREFIX}killed"
    ours.mkdir()
    (ours / MARK).touch()
    with scratch_folder(tmp_path) as folder:
        assert not ours.exists()
    assert not folder.exists()
    assert all(file.exists() for file in theirs)


def test_a_process_that_was_killed_before_it_made_its_mark_leaves_nothing_for_good(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}killed").mkdir()
    with scratch_folder(tmp_path):
        assert not (tmp_path / f"{PREFIX}killed").exists()


def test_the_folder_of_another_machine_s_process_stays_for_that_machine_to_remove(tmp_path: Path) -> None:
    """Hosts that share a file system need not see each other's locks."""
    with scratch_folder(tmp_path) as folder:
        this_machine = (folder / MARK).read_text()
    for name, mark in (("theirs", "worker-7 5d0c7a4e"), ("mine", this_machine), ("earlier-version-s", "")):
        (tmp_path / f"{PREFIX}{name}").mkdir()
        (tmp_path / f"{PREFIX}{name}" / MARK).write_text(mark)
    with scratch_folder(tmp_path) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}theirs", folder.name}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_folder_of_another_user_stays_for_that_user_to_remove(tmp_path: Path) -> None:
    theirs = tmp_path / f"{PREFIX}theirs"
    theirs.mkdir()
    (theirs / MARK).touch()
    os.chown(theirs, 12345, 12345)
    with scratch_folder(tmp_path):
        assert theirs.exists()


def test_scratch_lies_where_tmpdir_says_and_in_the_home_without(tmp_path: Path) -> None:
    home = {"TAXI_HOME": str(tmp_path / "home")}
    assert Settings.from_environment(home).scratch == tmp_path / "home" / "scratch"
    assert Settings.from_environment({**home, "TMPDIR": str(tmp_path / "big")}).scratch == tmp_path / "big"


def test_the_steps_of_a_run_take_their_folders_from_there(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", TAXI_SOURCE="sample", TMPDIR=str(tmp_path / "big"))
    with home.definitions.resources["scratch"].folder() as folder:
        assert folder.parent == tmp_path / "big"
    assert list((tmp_path / "big").iterdir()) == []


def test_what_a_query_spills_there_is_bounded(tmp_path: Path) -> None:
    with duckdb.connect(config={**query_config(tmp_path), "max_temp_directory_size": "1MB"}) as connection:
        connection.execute("SET memory_limit = '20MB'")
        with pytest.raises(duckdb.OutOfMemoryException, match="max_temp_directory_size"):
            connection.execute("CREATE TABLE sorted AS SELECT hash(i) AS h FROM range(10_000_000) t(i) ORDER BY h")
    with duckdb.connect(config=query_config(tmp_path)) as connection:
        assert connection.sql("SELECT current_setting('max_temp_directory_size')").fetchall() == [("3.7 GiB",)]


def test_a_lake_in_a_bucket_outside_of_runs_leaves_nothing(tmp_path: Path) -> None:
    manager = GCSLakeIOManager(gcs=GCSResource(), url="gs://bucket/lake", scratch=str(tmp_path))
    manager.store()
    assert [path.name.startswith(PREFIX) for path in tmp_path.iterdir()] == [True]
    del manager
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_folder_of_somebody_else_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / MARK).touch()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / f"{PREFIX}link").symlink_to(theirs)
    with scratch_folder(tmp_path / "scratch"):
        assert (theirs / MARK).exists()


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o077 == 0


def test_a_lake_in_a_bucket_touches_nothing_in_the_systems_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = tmp_path / "lake" / "clean" / "sales.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_text("rows")

    @dg.op(required_resource_keys={"lake"})
    def nothing() -> None:
        assert len(list(tmp_path.iterdir())) == 2

    @dg.job(resource_defs={"lake": GCSLakeIOManager(gcs=GCSResource(), url="gs://bucket/lake")})
    def job() -> None:
        nothing()

    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert mine.exists()
