"""Temporary folders, and what lies beside them."""

from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.io_managers import GCSLakeIOManager
from taxi_assets.resources.google_cloud import GCSResource
from taxi_assets.stores.scratch import MARK, PREFIX, scratch_folder


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
