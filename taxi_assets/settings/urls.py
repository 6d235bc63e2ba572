"""URLs that carry a login: whether they say one thing only, and the same without the login.

A password with an unescaped `@` or `/` is cut in two by whoever reads the URL, and the second half is then taken for a
host or a path, which everybody may see. Such a URL is refused, and no text here repeats a piece of it.
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
            `%`; the text repeats nothing of the value.
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
    """The host, and the port where there is one; None where the text is no such thing."""
    found = _PORT.fullmatch(text)
    if found is None or int(found[2] or 0) > _LAST_PORT:
        return None
    return found[1], int(found[2]) if found[2] else None


def bucket_and_prefix(url: str) -> tuple[str, str] | None:
    """The bucket and the prefix of `gs://bucket/prefix`; None where the text is no such thing."""
    found = _BUCKET.fullmatch(url)
    return None if found is None else (found[1], (found[2] or "").strip("/"))


def local_path(name: str, value: str) -> Path:
    """The path on this machine's disk, with `~` for the user's home.

    Raises:
        InvalidRequest: the value is a URL, which would become a folder called after its scheme, or its `~` is nobody's.
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
