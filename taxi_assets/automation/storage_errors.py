"""Maps errors of Dagster's instance storage to one sentence with advice: full disk, locked file, no file handles.

Errors of the project's own stores are mapped in `stores`.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taxi_assets.errors import StoreUnavailable

_ADVICE = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room below your quota",
    errno.EMFILE: "allow more open files, for example with `ulimit -n 1024`",
    errno.ENFILE: "close programs that hold many files open",
    errno.EROFS: "name a folder that can be written, with TAXI_HOME",
    errno.EACCES: "name a folder that you may write to, with TAXI_HOME",
    errno.EPERM: "name a folder that you may write to, with TAXI_HOME",
}
_FULL = 1 << 20  # bytes
_ADVICE_BY_TEXT = {
    "disk is full": _ADVICE[errno.ENOSPC],
    "readonly database": _ADVICE[errno.EACCES],
    "database is locked": "wait until the other program that uses them has ended",
    "unable to open database file": "check that the folder is writable, and the limit of open files (`ulimit -n`)",
    "disk I/O error": "check that disk for free space and for errors",
}


@contextmanager
def map_storage_errors(folder: Path) -> Iterator[None]:
    """Raise errors of the instance storage as `StoreUnavailable`, with the reason and what to do.

    Args:
        folder: of the Dagster instance.

    Raises:
        StoreUnavailable: the storage cannot be used.
    """
    try:
        yield
    except Exception as error:
        known = _reason_and_advice(error)
        if known is None:
            raise
        reason, advice = known
        if folder.exists() and shutil.disk_usage(folder).free < _FULL:
            advice = _ADVICE[errno.ENOSPC]  # SQLite may report a full disk as an I/O error
        raise StoreUnavailable(
            f"Dagster's records in {folder} cannot be used: {reason}. To go on: {advice}, and run it again; "
            "each store holds the old version or the new one, whole"
        ) from error


def _reason_and_advice(error: BaseException) -> tuple[str, str] | None:
    """The reason and the advice, if the error or a cause of it comes from the database or the operating system."""
    if isinstance(error, OSError) and error.errno in _ADVICE:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}", _ADVICE[error.errno]
    if type(error).__module__.partition(".")[0] in ("sqlalchemy", "sqlite3", "psycopg2"):
        reason = str(error).partition("\n")[0]
        advice = next((text for part, text in _ADVICE_BY_TEXT.items() if part in reason), "see the database's log")
        return reason, advice
    cause = error.__cause__ or error.__context__
    return None if cause is None else _reason_and_advice(cause)
