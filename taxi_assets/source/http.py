"""TLC's files over HTTP: from its CDN, or from any server laid out like it.

httpx is imported when the first file is asked for: the definitions are loaded far more often.
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
from taxi_assets.source.http_responses import Transient, remote_file_from
from taxi_assets.source.http_timeouts import MAX_FETCH_SECONDS, ThroughputWatchdog, TooSlow
from taxi_assets.source.progress import ProgressReporter

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_CONNECT_TIMEOUT = 10.0
_MAX_SLOW_ATTEMPTS = 3  # so that with the waits between them a server that drips is given up after about 100 s
_HEAD_UNSUPPORTED = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


class HttpSource:
    """TLC's files from a server, asked again with growing pauses where it fails.

    Args:
        url: of the folder that holds `trip-data/` and `misc/`; a user and password in it are sent, but never shown.
        attempts: in all, the first one included.
        first_wait: seconds before the second attempt; doubled each time, and up to this much more at random.
        longest_wait: seconds; bounds the pauses, and what a server may ask for by Retry-After.
        read_timeout: seconds for which an attempt may be slower than `MIN_BYTES_PER_SECOND`, or silent, before it has failed.

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
        read_timeout: float = 30.0,
    ) -> None:
        parts = urlsplit(url)
        # Out of the URL altogether: httpx logs every URL that it asks for.
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._auth = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        self._attempts = attempts
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._read_timeout = read_timeout

    def head(self, path: str) -> RemoteFile | None:
        """What the server's headers tell about the file; None where it answers 403 or 404.

        Raises:
            SourceUnavailable: no attempt got an answer, or the answer was another error.
        """
        url = f"{self.url}/{path}"
        try:
            with self._client() as client:
                return self._with_retries(url, lambda watchdog: _request_metadata(client, url, watchdog))
        except NotPublished:
            return None

    def names(self, folder: str) -> None:
        """A web server lists no folders."""

    def fetch(self, path: str, folder: Path, progress: Progress | None = None) -> RawFile:
        """Download the file into the folder under its own name, whole and verified, or not at all.

        An attempt that breaks off is followed by one that goes on from there, where the file is still the same.

        Raises:
            NotPublished: the server answers 403 or 404.
            SourceUnavailable: no attempt got the whole file, or the answer was another error.
            BadFile: the server sent something else.
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
        """What the first attempt that succeeds returns."""
        import httpx

        ends = time.monotonic() + MAX_FETCH_SECONDS
        slow_attempts = 0

        def run_attempt() -> _T:
            nonlocal slow_attempts
            try:
                with ThroughputWatchdog(self._read_timeout, ends) as watchdog:
                    return attempt(watchdog)
            except (TooSlow, httpx.TimeoutException):
                slow_attempts += 1
                raise

        def should_retry(error: BaseException) -> bool:
            return is_retryable(error) and slow_attempts < _MAX_SLOW_ATTEMPTS and time.monotonic() < ends

        def log_retry(state: RetryCallState) -> None:
            reason = error_reason(state.outcome.exception() if state.outcome else None)
            logger.warning("%s: %s; trying again in %.0f s", url, reason, state.upcoming_sleep)

        retrying = Retrying(
            retry=retry_if_exception(should_retry),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=self._first_wait, max=self._longest_wait)
            + wait_random(0, self._first_wait)
            + wait_exception(self._retry_after),
            before_sleep=log_retry,
            reraise=True,
        )
        try:
            return retrying(run_attempt)
        except (Transient, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise SourceUnavailable(
                f"{url} cannot be fetched: {error_reason(error)} (attempts: {retrying.statistics['attempt_number']});"
                " check the connection and run again, or set TAXI_SOURCE to another source"
            ) from error

    def _retry_after(self, error: BaseException) -> float:
        asked = error.retry_after if isinstance(error, Transient) else 0.0
        return min(asked, self._longest_wait)


@cache
def _ssl_context() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()  # takes 50 ms: too long for each of a row of small questions


def _request_metadata(client: "httpx.Client", url: str, watchdog: ThroughputWatchdog) -> RemoteFile:
    with client.stream("HEAD", url, extensions=watchdog.extensions) as response:
        if response.status_code not in _HEAD_UNSUPPORTED:
            return remote_file_from(url, response)
    # The answer's body is left unread: a server that ignores Range would send the whole file.
    with client.stream("GET", url, headers={"Range": "bytes=0-0"}, extensions=watchdog.extensions) as response:
        return remote_file_from(url, response)
