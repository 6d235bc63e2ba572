"""Parses parts of URLs, refuses ambiguous logins, and removes logins for display.

A parser splits a password with an unescaped `@` or `/`, and treats the second half as a host or a path, which logs
show. Such URLs are refused, and no error text repeats a part of them.
"""

import re
from pathlib import Path

from taxi_assets.errors import InvalidRequest

_DELIMITERS = re.compile(r"[/?#]")
_IS_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)?//")
_NOT_IN_A_LOGIN = re.compile(r"\s|%(?![0-9A-Fa-f]{2})")
_PORT = re.compile(r"(\[[^\]@]*\]|[^:\[\]]*)(?::(\d{0,5}))?")
_LAST_PORT = 65_535
_BUCKET = re.compile(r"gs://([^/@?#\s]+)(?:/([^@?#]*))?")


def refuse_unescaped(variable: str, value: str) -> None:
    """Refuse a URL in which a special character may belong to the password.

    Raises:
        InvalidRequest: an `@` stands elsewhere than between a login and its host, or the login holds a blank or a lone
            `%`; the text repeats no part of the value.
    """
    start = _IS_URL.match(value)
    if start is None:
        is_ambiguous = re.match(r"[^/]*:.*@", value) is not None  # a login without a scheme before it
    else:
        rest = value[start.end() :]
        login, at, _ = _DELIMITERS.split(rest, maxsplit=1)[0].rpartition("@")
        is_ambiguous = rest.count("@") > len(at) or _NOT_IN_A_LOGIN.search(login) is not None
    if not is_ambiguous:
        return
    raise InvalidRequest(
        f"{variable} is ambiguous: a character in its user or password may be taken for a part of the address. There, "
        "write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25 and a blank as %20; elsewhere, write @ as %40"
    )


def host_and_port(text: str) -> tuple[str, int | None] | None:
    """The host and the optional port; None if the text is not `host` or `host:port`."""
    found = _PORT.fullmatch(text)
    if found is None or int(found[2] or 0) > _LAST_PORT:
        return None
    return found[1], int(found[2]) if found[2] else None


def bucket_and_prefix(url: str) -> tuple[str, str] | None:
    """The bucket and the prefix of `gs://bucket/prefix`; None if the text has another form."""
    found = _BUCKET.fullmatch(url)
    return None if found is None else (found[1], (found[2] or "").strip("/"))


def local_path(name: str, value: str) -> Path:
    """The path on this machine's disk, with `~` for the user's home.

    Raises:
        InvalidRequest: the value is a URL, which would become a folder named after its scheme, or its `~` is an unknown
            user's.
    """
    if _IS_URL.match(value) or value == ":memory:":
        raise InvalidRequest(f"{name} takes a path on this machine's disk, not {without_login(value)!r}")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise InvalidRequest(f"{name}: {error}; write the path in full") from error


def without_login(url: str) -> str:
    """The URL without user and password."""
    return re.sub(r"(?<=//)[^/?#]*@", "", url, count=1)
