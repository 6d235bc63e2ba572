"""From an HTTP response to a file's metadata, or to the error that its status stands for."""

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

# The CDN's origin is S3, which answers 403 for a missing object.
_NOT_PUBLISHED = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
_BUSY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class Transient(Exception):
    """A retryable failure.

    Attributes:
        retry_after: seconds to wait, by the server's Retry-After; 0 without one.
    """

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


def error_for(url: str, response: "httpx.Response") -> Exception:
    """The error for a response without the file.

    Returns:
        `NotPublished` for 403 and 404; `Transient` for 408, 429 and 5xx; `SourceUnavailable` for any other status,
        since a retry would get the same response.
    """
    answer = f"{response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in _NOT_PUBLISHED:
        return NotPublished(f"{url} is not published (yet): the server answered {answer}")
    if response.status_code in _BUSY or response.is_server_error:
        return Transient(f"the server answered {answer}", _retry_after(response))
    return SourceUnavailable(f"{url} cannot be fetched: the server answered {answer}; check the source's address")


def remote_file_from(url: str, response: "httpx.Response") -> RemoteFile:
    """The file's metadata from the headers of a complete or partial response.

    Raises:
        NotPublished, Transient, SourceUnavailable: by `error_for`, for a response without the file.
    """
    if not response.is_success:
        raise error_for(url, response)
    validators = response.headers.get("etag"), response.headers.get("last-modified")
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        return RemoteFile(url, content_range(response)[1], *validators)
    size = _number(response.headers.get("content-length", ""))
    return RemoteFile(url, size, *validators, checksums_from_headers(response.headers))


def content_range(response: "httpx.Response") -> tuple[int | None, int | None]:
    """A partial response's first byte and the file's total size; None for what the header does not state."""
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
