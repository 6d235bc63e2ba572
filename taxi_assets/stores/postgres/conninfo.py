"""Parameters of a connection to Postgres: those of the URL, and not the environment's, which could redirect it.

libpq's variables for credentials and certificates are the exception (`PGPASSWORD`, `PGPASSFILE`, `PGSSLROOTCERT`, …).
"""

from typing import Any
from urllib.parse import parse_qsl

import psycopg
from psycopg import pq

from taxi_assets.errors import InvalidRequest

_FORM = "write postgresql://user:password@host:5432/database, with percent-encoding for what is special in a URL"
_PREFIXES = ("postgresql://", "postgres://")
_PINNED = {
    "port": "5432",
    "hostaddr": "",
    "options": "",
    "target_session_attrs": "any",
    "client_encoding": "UTF8",
}


def parameters(url: str, **defaults: Any) -> dict[str, Any]:
    """The URL's parameters, under libpq's names.

    Args:
        url: a `postgresql://` URL, or libpq's `name=value` form.
        defaults: values for parameters that are not in the URL.

    Raises:
        InvalidRequest: the URL cannot be parsed, or is ambiguous; the text repeats no part of it.
    """
    try:
        given = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Without a cause: its text repeats the part that cannot be parsed, which may be the password.
        unknown = _unknown_options(url)
        if unknown:
            raise InvalidRequest(
                f"the Postgres URL has options that PostgreSQL's own clients do not know: {', '.join(unknown)}. "
                "Take them out"
            ) from None
        raise InvalidRequest(f"the Postgres URL cannot be read: {_FORM}") from None
    if _is_ambiguous(url) or "@" in str(given.get("host", "")):
        raise InvalidRequest(f"the Postgres URL can be read in more than one way: {_FORM}")
    return {**_PINNED, **defaults, **given, "client_encoding": "UTF8"}


def conninfo(url: str, **replaced: Any) -> str:
    """The URL as a connection string for psycopg, with some parameters replaced."""
    return psycopg.conninfo.make_conninfo("", **{**parameters(url), **replaced})


def secrets_of(given: dict[str, Any]) -> dict[str, str | None]:
    """Secret parameter -> the environment variable that sets it; None: there is none."""
    return {
        option.keyword.decode(): option.envvar.decode() if option.envvar else None
        for option in pq.Conninfo.get_defaults()
        if option.dispchar == b"*" and given.get(option.keyword.decode())
    }


def _is_ambiguous(url: str) -> bool:
    """True: there is an @ or a / too many, as in a password that is not percent-encoded."""
    if not url.startswith(_PREFIXES):
        return False
    authority, _, path = url.partition("://")[2].partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in path


def _unknown_options(url: str) -> list[str]:
    query = url.partition("?")[2]
    if not url.startswith(_PREFIXES) or "@" in query:  # part of a password that is not percent-encoded
        return []
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    return sorted(name for name in names - known if name.isidentifier())
