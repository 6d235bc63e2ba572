"""Run psql on a URL, with its secrets hidden, and with a search path where the server accepts one."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from taxi_assets.errors import InvalidRequest
from taxi_assets.stores.postgres.conninfo import parameters, secrets_of

_PROBE_SECONDS = 10


def start_psql(
    program: Path, url: str, schema: str, arguments: Iterable[str], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start psql in this terminal.

    Raises:
        InvalidRequest: the URL cannot be parsed, or has a secret that psql accepts on its command line only.
    """
    given = parameters(url, connect_timeout=_PROBE_SECONDS)
    del given["client_encoding"]  # psql uses the terminal's
    options = f"-c search_path={schema},public {given['options']}".strip()
    if _accepts(given, options):
        given["options"] = options
    variables = {}
    for name, variable in secrets_of(given).items():
        if variable is None:
            raise InvalidRequest(
                f"psql accepts {name} on its command line only, where other users see it: remove it from TAXI_POSTGRES"
            )
        variables[variable] = given.pop(name)
    conninfo = psycopg.conninfo.make_conninfo("", **given)
    return subprocess.Popen([program, conninfo, *arguments], env={**environment, **variables})


def _accepts(given: dict[str, Any], options: str) -> bool:
    """True: the server accepts the options; a pooler refuses a connection with them."""
    try:
        psycopg.connect("", **{**given, "options": options}).close()
    except psycopg.errors.ConnectionTimeout:
        return True
    except psycopg.OperationalError:
        try:
            psycopg.connect("", **given).close()
        except psycopg.OperationalError:
            return True  # for another reason, which psql reports
        return False
    return True
