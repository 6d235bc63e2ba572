"""What goes wrong with Dagster's records, in one sentence: a full disk, a locked or damaged file, no handles left."""

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
    "unable to open database file": "see that the folder can be written, and that open files are left (`ulimit -n`)",
    "disk I/O error": "see that there is room on that disk, and that it works",
}


@contextmanager
def record_failures(folder: Path) -> Iterator[None]:
    """Turn failures to read or write Dagster's records into a sentence.

    Args:
        folder: of the records.

    Raises:
        StoreUnavailable: the records cannot be used; the text says why and what to do.
    """
    try:
        yield
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        reason, advice = told
        if folder.exists() and shutil.disk_usage(folder).free < _FULL:
            advice = _ADVICE[errno.ENOSPC]  # SQLite may call a full disk an I/O error
        raise StoreUnavailable(
            f"Dagster's records in {folder} cannot be used: {reason}. To go on: {advice}, and run it again; "
            "each store holds the old version or the new one, whole"
        ) from error


def _told(error: BaseException) -> tuple[str, str] | None:
    """What happened and what to do, where the error or its cause comes from the records' database or the system."""
    if isinstance(error, OSError) and error.errno in _ADVICE:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}", _ADVICE[error.errno]
    if type(error).__module__.partition(".")[0] in ("sqlalchemy", "sqlite3", "psycopg2"):
        reason = str(error).partition("\n")[0]
        advice = next((text for part, text in _ADVICE_BY_TEXT.items() if part in reason), "see what its database says")
        return reason, advice
    cause = error.__cause__ or error.__context__
    return None if cause is None else _told(cause)
