"""SQLite files of new runs, copied from an empty one beside them.

Dagster creates a run's file by 20 statements and syncs the disk after each: 30 ms of CPU time and 50 by the clock on an
idle machine, a copy takes 1. The empty file is that of the first run, before an event was recorded in it.
"""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg

from taxi_assets.stores.lake.folder.versions import sync


def copy_of_empty(file: Path) -> bool:
    """Copy the empty file, unless another process has done so by now and recorded something; False where it cannot."""
    if not _empty_beside(file).exists():
        return False
    with _written_beside(file) as copied:
        shutil.copyfile(_empty_beside(file), copied)
        sync(copied)  # SQLite syncs the journal of what follows, and not what the file begins with
        try:
            file.hardlink_to(copied)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            return False
    return True


def keep_empty(file: Path) -> None:
    """Keep a copy of the file of a run, unless another process has recorded an event in it by now."""
    with _written_beside(file) as copied:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copied)) as target:
            source.backup(target)
            is_empty = target.execute("SELECT 1 FROM event_logs").fetchone() is None
        if is_empty:
            sync(copied)
            copied.replace(_empty_beside(file))


def _empty_beside(file: Path) -> Path:
    """Its name does not end as a run's; another version of Dagster has other tables."""
    return file.with_name(f".empty-{dg.__version__}")


@contextmanager
def _written_beside(file: Path) -> Iterator[Path]:
    other = file.with_name(f".{file.stem}-{os.getpid()}-{threading.get_ident()}")
    try:
        yield other
    finally:
        other.unlink(missing_ok=True)
