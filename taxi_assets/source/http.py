"""Source: an HTTP server with the CDN's layout, with retries and backoff.

httpx is imported with the first request, since code locations load the definitions far more often than they fetch.
Not here: one file's transfer (`http_download`), the meaning of responses (`http_responses`) and of the client's errors
(`http_errors`), the throughput limit (`http_timeouts`), the pauses that a server asks for (`http_pauses`).
"""

import logging
import ssl
import time
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exception,
    wait_exponential,
    wait_random,
)

from taxi_assets.errors import NotPublished, SourceUnavailable
from taxi_assets.raw_file import RawFile
from taxi_assets.source.atomic_write import write_atomically
from taxi_assets.source.base import Progress, RemoteFile
from taxi_assets.source.http_download import Download
from taxi_assets.source.http_errors import error_reason, is_retryable, map_client_errors
from taxi_assets.source.http_pauses import record_pause, remaining_pause
from taxi_assets.source.http_responses import Transient, remote_file_from
from taxi_assets.source.http_timeouts import MAX_FETCH_SECONDS, ThroughputWatchdog, TooSlow
from taxi_assets.source.progress import ProgressReporter

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_CONNECT_TIMEOUT = 10.0
_MAX_SLOW_ATTEMPTS = 3  # with the backoff between them, a server below the throughput limit fails after about 100 s
_HEAD_UNSUPPORTED = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


class HttpSource:
    """TLC's files from a server; failed requests are retried with exponential backoff.

    Args:
        url: of the folder that holds `trip-data/` and `misc/`; user and password are sent, and removed from logs.
        attempts: maximum number, the first one included.
        first_wait: seconds before the second attempt; doubled for each further one, plus a random 0 to `first_wait`.
        longest_wait: seconds; the maximum of the backoff.
        longest_pause: seconds; a server that asks for more by Retry-After is not asked again by this call.
        read_timeout: seconds of silence, or of less than `MIN_BYTES_PER_SECOND`, after which an attempt has failed.

    Attributes:
        url: without user and password.
    """

    def __init__(
        self,
        url: str,
        *,
        attempts: int = 6,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        longest_pause: float = 900.0,
        read_timeout: float = 30.0,
    ) -> None:
        parts = urlsplit(url)
        # Credentials are removed from the URL, since httpx logs the URL of every request.
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        self._attempts = attempts
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._longest_pause = longest_pause
        self._read_timeout = read_timeout

    def head(self, path: str) -> RemoteFile | None:
        """The file's metadata from the response's headers; None for status 403 or 404.

        Raises:
            SourceUnavailable: no attempt got a response, or the status is another error.
        """
        url = f"{self.url}/{path}"
        try:
            with self._client() as client:
                return self._with_retries(url, lambda watchdog: _request_metadata(client, url, watchdog))
        except NotPublished:
            return None

    def names(self, folder: str) -> None:
        """None: a web server lists no folders."""

    def fetch(self, path: str, folder: Path, progress: Progress | None = None) -> RawFile:
        """Download the file to the folder under its own name, atomically and after verification.

        A retry resumes the transfer where the last attempt broke off, if the file is still the same.

        Raises:
            NotPublished: status 403 or 404.
            SourceUnavailable: no attempt got the complete file, or the status is another error.
            BadFile: the bytes are not a complete file of the kind that the suffix says, or a checksum differs.
            StoreUnavailable: the disk is full.
        """
        url = f"{self.url}/{path}"

        def download(part: Path) -> RemoteFile:
            transfer = Download(url, part, ProgressReporter(part.name, progress))
            with self._client() as client:
                return self._with_retries(url, lambda watchdog: transfer.attempt(client, watchdog))

        return write_atomically(path, folder, download)

    def _client(self) -> "httpx.Client":
        import httpx

        with map_client_errors():
            return httpx.Client(
                auth=self._auth,
                verify=_ssl_context(),
                timeout=httpx.Timeout(self._read_timeout, connect=_CONNECT_TIMEOUT),
                # No connection is reused: `ThroughputWatchdog` gets the socket from the event that opens it.
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=True,
                headers={"Accept-Encoding": "identity"},  # so that lengths and ranges count the file's own bytes
            )

    def _with_retries(self, url: str, attempt: Callable[[ThroughputWatchdog], _T]) -> _T:
        """The result of the first attempt that succeeds.

        Raises:
            SourceUnavailable: the last attempt failed; the text has its reason and the number of attempts.
        """
        import httpx

        ends = time.monotonic() + MAX_FETCH_SECONDS
        slow_attempts = 0

        def run_attempt() -> _T:
            nonlocal slow_attempts
            pause = remaining_pause(url)
            if pause:
                raise Transient("the server asked for a pause", retry_after=pause)
            try:
                with ThroughputWatchdog(self._read_timeout, ends) as watchdog:
                    return attempt(watchdog)
            except (TooSlow, httpx.TimeoutException):
                slow_attempts += 1
                raise
            except Transient as error:
                record_pause(url, error.retry_after)
                raise

        def should_retry(error: BaseException) -> bool:
            can_wait = _retry_after(error) <= self._longest_pause
            return is_retryable(error) and can_wait and slow_attempts < _MAX_SLOW_ATTEMPTS and time.monotonic() < ends

        def log_retry(state: RetryCallState) -> None:
            reason = error_reason(state.outcome.exception() if state.outcome else None)
            logger.warning("%s: %s; retrying in %.0f s", url, reason, state.upcoming_sleep)

        retrying = Retrying(
            retry=retry_if_exception(should_retry),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=self._first_wait, max=self._longest_wait)
            + wait_random(0, self._first_wait)
            + wait_exception(_retry_after),
            before_sleep=log_retry,
            reraise=True,
        )
        try:
            return retrying(run_attempt)
        except (Transient, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise SourceUnavailable(
                f"{url} cannot be fetched: {error_reason(error)} (attempts: {retrying.statistics['attempt_number']});"
                f" {_advice(_retry_after(error))}, or set TAXI_SOURCE to another source"
            ) from error


def _retry_after(error: BaseException) -> float:
    return error.retry_after if isinstance(error, Transient) else 0.0


def _advice(pause: float) -> str:
    return (
        f"it asks to be left alone for {pause:.0f} s: run again after that"
        if pause
        else ("check the connection and run again")
    )


@cache
def _ssl_context() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()  # takes 50 ms, and `last_published` sends up to 36 HEAD requests


def _request_metadata(client: "httpx.Client", url: str, watchdog: ThroughputWatchdog) -> RemoteFile:
    with client.stream("HEAD", url, extensions=watchdog.extensions) as response:
        if response.status_code not in _HEAD_UNSUPPORTED:
            return remote_file_from(url, response)
    # The body is not read: a server that ignores Range sends the complete file.
    with client.stream("GET", url, headers={"Range": "bytes=0-0"}, extensions=watchdog.extensions) as response:
        return remote_file_from(url, response)
