"""Factory of sources: from a value of `TAXI_SOURCE` or `--source` to a source object."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from taxi_assets.catalog import MISC_FOLDER, TRIPS_FOLDER
from taxi_assets.errors import InvalidRequest
from taxi_assets.source.base import Source
from taxi_assets.source.folder import FolderSource
from taxi_assets.source.http import HttpSource

TLC_CDN = "https://d37ci6vzurychx.cloudfront.net"
SOURCE_FORMS = (
    "https://…",
    "http://…",
    "file:///…",
    f"a folder laid out like TLC's CDN ({TRIPS_FOLDER}/, {MISC_FOLDER}/)",
    "sample",
)


def open_source(value: str, *, retry: bool = True) -> Source:
    """The source for the value; opens no connection and reads no file.

    Args:
        value: in one of `SOURCE_FORMS`.
        retry: whether requests are retried with backoff. False for sensors and the command line's quick look-ups: one
            attempt, 10 seconds.

    Raises:
        InvalidRequest: the value has none of `SOURCE_FORMS`; the text lists them and repeats no password.
    """
    value = value.strip()
    if value == "sample":
        # Imported here, since `sample` imports this package.
        from taxi_assets.sample import SampleSource

        return SampleSource()
    with suppress(ValueError, RuntimeError):  # an invalid host or port; `~user` for an unknown user
        parts = urlsplit(value)
        bare = "?" not in value and "#" not in value
        if parts.scheme in ("https", "http") and parts.hostname and parts.port != 0 and bare:
            return HttpSource(value) if retry else HttpSource(value, attempts=1, read_timeout=10)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/") and bare:
            return FolderSource(Path(unquote(parts.path)))
        if not parts.scheme and value:
            return FolderSource(Path(value))
    scheme, colon, _ = value.partition(":")
    shown = f"{scheme}:…" if colon else repr(value)
    raise InvalidRequest(f"TAXI_SOURCE cannot be {shown}: it takes {', '.join(SOURCE_FORMS)}")
