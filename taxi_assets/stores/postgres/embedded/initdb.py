"""Create a server's data folder: beside its place, in a marked folder, and then into its place by one rename.

A killed process leaves the marked folder, which the next one removes; folders without the mark are not touched.
"""

import glob
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.postgres.embedded.programs import SystemUser, ensure_programs, run

SUPERUSER = "postgres"
_MARK = "made-by-taxi_assets"
_DATA = "data"
_FRESH = re.compile(r"base|global|pg_\w+(\.conf)?|PG_VERSION|postgresql(\.auto)?\.conf")
_OF_A_WHOLE_ONE = ("global/pg_control", "base/1/PG_VERSION", "base/4/PG_VERSION", "base/5/PG_VERSION")


def ensure_data(folder: Path, user: SystemUser) -> None:
    """Create the data folder where it does not exist.

    Raises:
        StoreUnavailable: initdb fails, for example on a full disk.
        StoreError: the folder holds other files than a server's data.
    """
    _remove_unfinished(folder)
    if (folder / "PG_VERSION").exists():
        if not _is_left_by_initdb(folder):
            return
        shutil.rmtree(folder)  # left by an older version, which created it in place: no server ever ran in it
    elif folder.exists() and any(folder.iterdir()):
        if not _is_left_by_initdb(folder):
            raise StoreError(f"{folder} holds other files than a PostgreSQL server's data: move them elsewhere")
        shutil.rmtree(folder)
    _make(folder, user)


def _make(folder: Path, user: SystemUser) -> None:
    making = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
    (making / _MARK).touch()
    user.let_through(making)
    data = making / _DATA
    data.mkdir(mode=0o700)
    user.own(data)
    ensure_programs(user)
    # PostgreSQL's builtin locale: that of the environment may not exist, or have another encoding.
    made = run(
        user,
        making,
        "initdb",
        [
            *("-D", str(data), "-U", SUPERUSER, "--encoding=UTF8", "--auth=reject", "--auth-local=peer"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ],
        {"PATH": os.defpath},
    )
    if made.returncode:
        _remove(making)
        raise StoreUnavailable(
            f"the embedded Postgres cannot be created in {folder}: {_reason(made.stdout)}. "
            "Fix that, or name another server in TAXI_POSTGRES"
        )
    data.rename(folder)
    _sync(folder.parent)
    _remove(making)


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left, and end an initdb that may still run there."""
    for left in folder.parent.glob(f"{glob.escape(_prefix(folder))}*"):
        if (left / _MARK).exists() or not any(left.iterdir()):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    if Path(process.cwd()).is_relative_to(left.resolve()):
                        process.kill()
                        process.wait(10)
            _remove(left)


def _remove(making: Path) -> None:
    # The mark last, so that the next process recognizes what a killed one left.
    if (making / _DATA).exists():
        shutil.rmtree(making / _DATA)
    (making / _MARK).unlink(missing_ok=True)
    making.rmdir()


def _prefix(folder: Path) -> str:
    return f".{folder.name}.making-"


def _is_left_by_initdb(folder: Path) -> bool:
    """True: the folder holds an incomplete set of the files of initdb, and nothing else."""
    names = [entry.name for entry in folder.iterdir()]
    is_fresh = all(_FRESH.fullmatch(name) for name in names)
    return is_fresh and not all((folder / one).exists() for one in _OF_A_WHOLE_ONE)


def _reason(output: str) -> str:
    lines = [line for line in output.splitlines() if re.match(r"initdb: error|.*(FATAL|PANIC|ERROR):", line)]
    return (lines or output.strip().splitlines() or ["initdb has no output"])[0].strip()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
