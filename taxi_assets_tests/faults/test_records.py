"""Dagster's records on a disk without room, and for a process without file handles."""

import resource
import subprocess
from pathlib import Path

import pytest

from taxi_assets_tests.homes import TAXI, Home

from .disks import filled, small_disk

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("kilobytes", [0, 120])
def test_full_records_end_in_a_sentence_and_then_in_success(tmp_path: Path, postgres_url: str, kilobytes: int) -> None:
    with small_disk(megabytes=3) as disk:
        home = Home(tmp_path, TAXI_SOURCE="sample", TAXI_POSTGRES=postgres_url, DAGSTER_HOME=str(disk))
        (disk / "dagster.yaml").touch()
        home.taxi("status", "green", "2024-01", "--store", "lake")  # makes the records
        with filled(disk, leaving=kilobytes << 10):
            full = home.taxi("run", "zones")
        assert full.returncode == 1
        assert f"Error: Dagster's records in {disk} cannot be used" in full.stderr
        assert "make room on that disk" in full.stderr
        assert "Traceback" not in full.stdout + full.stderr
        again = home.taxi("run", "zones")
        assert again.returncode == 0, again.stdout + again.stderr


def test_too_few_file_handles_end_in_a_sentence(tmp_path: Path) -> None:
    home = Home(tmp_path, TAXI_SOURCE="sample")
    for handles in (16, 24):
        ended = subprocess.run(
            [TAXI, "status", "green", "2024-01", "--store", "lake"],
            env=home.environment(),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda handles=handles: resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles)),
        )
        assert ended.returncode in (0, 1)
        assert "Traceback" not in ended.stderr
