"""Access to the embedded server, for the user that it runs as and for root.

Two mechanisms protect it: the socket lies in a folder with mode 700, and the server uses peer authentication, by which
the operating system identifies the client's user.
"""

import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from taxi_assets.stores.postgres.embedded.programs import SystemUser

_LONGEST_SOCKET = 100  # bytes of its path; systems take 104 to 108
_PLAIN = re.compile(rb"[\w./ -]+")  # a comma or a quote would end the path in PostgreSQL's list of folders
_RECORD = "taxi_assets.sockets"
_RULES = """# Written by taxi_assets at every start.
local all all peer map=taxi_assets
"""
_NAMES = """# Written by taxi_assets at every start.
taxi_assets {user} all
taxi_assets root all
"""


def ensure_rules(folder: Path, user: SystemUser) -> bool:
    """Write the rules where they differ; True: they did."""
    name = user.name if re.fullmatch(r"\w+", user.name) else '"' + user.name.replace('"', '""') + '"'
    written = [
        _replace(folder / "pg_hba.conf", _RULES, user),
        _replace(folder / "pg_ident.conf", _NAMES.format(user=name), user),
    ]
    return any(written)


def socket_folder(folder: Path, user: SystemUser) -> Path:
    """The folder for the socket: the data folder, or a new one where its path is too long or has other characters.

    A new folder is recorded in the data folder and used again.
    """
    if _fits(folder):
        return folder
    record = folder / _RECORD
    with suppress(FileNotFoundError):
        known = Path(record.read_text())
        if known.is_absolute() and _is_closed(known, user):
            return known
    made = Path(tempfile.mkdtemp(prefix="taxi_assets-", dir=_short_place()))
    user.own(made)
    _replace(record, str(made), user)
    return made


def _short_place() -> str:
    here = tempfile.gettempdir()
    return here if _fits(Path(here) / "taxi_assets-12345678") else "/tmp"  # noqa: S108 - mkdtemp creates it with mode 700


def _fits(folder: Path) -> bool:
    path = os.fsencode(folder / ".s.PGSQL.5432")
    return len(path) <= _LONGEST_SOCKET and _PLAIN.fullmatch(path) is not None


def _is_closed(folder: Path, user: SystemUser) -> bool:
    with suppress(FileNotFoundError):
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == user.uid and stat.S_IMODE(found.st_mode) == 0o700  # noqa: PLR2004
    return False


def _replace(path: Path, text: str, user: SystemUser) -> bool:
    with suppress(FileNotFoundError):
        if path.read_text(errors="replace") == text:
            return False
    # Not under a predictable name: the server's user owns the folder, and this process may be root.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
        user.own(descriptor)
    Path(name).replace(path)
    return True
