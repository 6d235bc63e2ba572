"""What an HTTP server's answer means for a file."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from taxi_assets.errors import NotPublished, SourceUnavailable
from taxi_assets.source.base import RemoteFile
from taxi_assets.source.checksums import checksums_from_headers

if TYPE_CHECKING:
    import httpx

# The CDN's files lie in S3, which answers 403 for one that is not there.
_NOT_PUBLISHED = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
_BUSY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class Transient(Exception):
    """A failure that may be over in a moment.

    Attributes:
        retry_after: seconds for which the server asked to be left alone.
    """

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


def error_for(url: str, response: "httpx.Response") -> Exception:
    """The error that an answer without the file stands for.

    Returns:
        `NotPublished`; `Transient` where the server is busy or out of order; or else `SourceUnavailable`, since the
        same question would get the same answer.
    """
    answer = f"{response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in _NOT_PUBLISHED:
        return NotPublished(f"{url} is not published (yet): the server answered {answer}")
    if response.status_code in _BUSY or response.is_server_error:
        return Transient(f"the server answered {answer}", _retry_after(response))
    return SourceUnavailable(f"{url} cannot be fetched: the server answered {answer}; check the source's address")


def remote_file_from(url: str, response: "httpx.Response") -> RemoteFile:
    """What an answer with the file, or with a part of it, tells about the whole file.

    Raises:
        NotPublished, Transient, SourceUnavailable: as `error_for` has it, where the answer is without the file.
    """
    if not response.is_success:
        raise error_for(url, response)
    validators = response.headers.get("etag"), response.headers.get("last-modified")
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        return RemoteFile(url, content_range(response)[1], *validators)
    size = _number(response.headers.get("content-length", ""))
    return RemoteFile(url, size, *validators, checksums_from_headers(response.headers))


def content_range(response: "httpx.Response") -> tuple[int | None, int | None]:
    """Where a partial answer begins and how large the whole file is, in bytes; None where the server does not tell."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
    return (_number(match[1]), _number(match[2])) if match else (None, None)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _retry_after(response: "httpx.Response") -> float:
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        wait = parsedate_to_datetime(text).astimezone(UTC) - datetime.now(tz=UTC)
    except ValueError:
        return 0.0
    return max(0.0, wait.total_seconds())
