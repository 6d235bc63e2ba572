"""Resumable download of one file over several HTTP requests; `http` decides on retries."""

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.errors import BadFile
from taxi_assets.source.base import RemoteFile
from taxi_assets.source.checksums import checksum_mismatch
from taxi_assets.source.file_signatures import signature_mismatch
from taxi_assets.source.http_responses import Transient, content_range, error_for, remote_file_from
from taxi_assets.source.http_timeouts import ThroughputWatchdog
from taxi_assets.source.progress import ProgressReporter

if TYPE_CHECKING:
    import httpx

_HEAD_BYTES = 16  # enough to distinguish an error page from a file
_MAX_BYTES = 4_000_000_000  # an endless response must not fill the disk; TLC's largest file has 611 MB


class Download:
    """A download whose attempts resume where the last one stopped, while the server's file is the same.

    Args:
        url: of the file, without credentials.
        part: the temporary file for the bytes.
        reporter: gets the number of bytes received.
    """

    def __init__(self, url: str, part: Path, reporter: ProgressReporter) -> None:
        self._url = url
        self._part = part
        self._progress = reporter
        self._remote: RemoteFile | None = None  # the version of the file whose first bytes are in `part`
        self._had_mismatch = False

    def attempt(self, client: "httpx.Client", watchdog: ThroughputWatchdog) -> RemoteFile:
        """Fetch the missing bytes.

        Raises:
            Transient, httpx.TransportError: another attempt may succeed.
            NotPublished: there is no such file (yet).
            SourceUnavailable: another attempt would get the same response.
            BadFile: the first bytes are not the suffix's signature, or the server's checksum differed twice.
        """
        with client.stream("GET", self._url, headers=self._headers(), extensions=watchdog.extensions) as response:
            if response.status_code == HTTPStatus.OK:
                self._remote = remote_file_from(self._url, response)
                self._progress.start(self._remote.size)
                return self._receive(response, self._remote, "wb", watchdog)
            if self._remote and self._is_continuation(response, self._remote):
                return self._receive(response, self._remote, "ab", watchdog)
            if response.status_code in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                self._remote = None
                raise Transient("the server did not resume the transfer: restarting it")
            raise error_for(self._url, response)

    def _headers(self) -> dict[str, str]:
        """Range headers for the missing bytes, valid only for the same version; none without a strong validator."""
        validator = _validator(self._remote) if self._remote else None
        if validator is None:
            return {}
        return {"Range": f"bytes={self._part.stat().st_size}-", "If-Range": validator}

    def _is_continuation(self, response: "httpx.Response", remote: RemoteFile) -> bool:
        # A server that ignores If-Range would continue with the bytes of another version.
        return (
            response.status_code == HTTPStatus.PARTIAL_CONTENT
            and content_range(response) == (self._part.stat().st_size, remote.size)
            and response.headers.get("etag") in (None, remote.etag)
            and response.headers.get("last-modified") in (None, remote.last_modified)
        )

    def _receive(
        self, response: "httpx.Response", remote: RemoteFile, mode: str, watchdog: ThroughputWatchdog
    ) -> RemoteFile:
        received = self._part.stat().st_size if mode == "ab" else 0
        with self._part.open(mode) as file:
            is_checked = received >= _HEAD_BYTES
            for block in response.iter_raw():
                received += file.write(block)
                watchdog.received(len(block))
                if not is_checked and received >= _HEAD_BYTES:
                    is_checked = True
                    file.flush()
                    self._check_signature(remote)
                if received > _MAX_BYTES:
                    raise self._too_large(f"sent more than {_MAX_BYTES:,} bytes")
                self._progress.update(received, remote.size)
        if remote.size is not None and received != remote.size:
            raise Transient(f"the server stopped after {received:,} of {remote.size:,} bytes")
        self._verify_checksums(remote)
        self._progress.finish(received)
        return remote

    def _check_signature(self, remote: RemoteFile) -> None:
        """Check signature and stated size early in the transfer: an error page may state any length."""
        mismatch = signature_mismatch(self._part)
        if mismatch is not None:
            raise BadFile(f"{mismatch} (it came from {self._url})")
        if remote.size is not None and remote.size > _MAX_BYTES:
            raise self._too_large(f"announces {remote.size:,} bytes")

    def _too_large(self, what: str) -> BadFile:
        return BadFile(
            f"{self._part.name}: the server {what}, which no file of TLC's has (the largest has 611 MB); check the"
            f" source's address (it came from {self._url})"
        )

    def _verify_checksums(self, remote: RemoteFile) -> None:
        """Compare the bytes with the server's checksums; a first mismatch restarts the download."""
        differs = checksum_mismatch(self._part, remote.checksums)
        if differs is None:
            return
        self._remote = None
        if self._had_mismatch:
            raise BadFile(
                f"{self._part.name} arrived damaged twice: {differs}; fetch it again later, and where that gives the"
                f" same, take it from another source (it came from {self._url})"
            )
        self._had_mismatch = True
        raise Transient(f"the file arrived damaged: {differs}")


def _validator(remote: RemoteFile) -> str | None:
    """The validator for If-Range: a strong ETag, or the date where there is no ETag at all (RFC 9110, 13.1.5)."""
    if remote.etag is None:
        return remote.last_modified
    return None if remote.etag.startswith("W/") else remote.etag
