"""What may be given as a source, in `TAXI_SOURCE` or on the command line."""

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
    """The source that the value stands for; nothing is connected to or looked at yet.

    Args:
        value: one of `SOURCE_FORMS`.
        retry: whether to ask a server that does not answer again and again; a sensor has no time for that.

    Raises:
        InvalidRequest: the value has none of `SOURCE_FORMS`; the text lists them and repeats no password.
    """
    value = value.strip()
    if value == "sample":
        # The sample is made of what this package offers: importing it above would go round in a circle.
        from taxi_assets.sample import SampleSource

        return SampleSource()
    with suppress(ValueError, RuntimeError):  # of a host or port that cannot be one, of a ~user that is none
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
