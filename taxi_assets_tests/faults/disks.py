"""A small disk that can be filled."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FILLING = "filling"


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of that size, mounted for as long as the block lasts."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    with tempfile.TemporaryDirectory(prefix="taxi disk ") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        made = subprocess.run(mount, check=False, capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(disk: Path, *, leaving: int) -> Iterator[None]:
    """The disk with only so many bytes free."""
    filling = disk / _FILLING
    with filling.open("wb") as file:
        free = shutil.disk_usage(disk).free - leaving
        os.posix_fallocate(file.fileno(), 0, free)
    try:
        yield
    finally:
        filling.unlink()
