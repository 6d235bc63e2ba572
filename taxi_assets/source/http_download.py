"""One file on its way from an HTTP server, over as many attempts as it takes."""

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.errors import BadFile
from taxi_assets.source.base import Published
from taxi_assets.source.checksums import mismatch
from taxi_assets.source.file_signatures import strange_beginning
from taxi_assets.source.http_responses import Transient, content_range, published_by, refusal
from taxi_assets.source.http_timeouts import Pace
from taxi_assets.source.progress import Meter

if TYPE_CHECKING:
    import httpx

_LOOK = 16  # bytes after which an error page is told from a file
_LARGEST = 4_000_000_000  # bytes; so that an answer without an end does not fill the disk


class Download:
    """A download that goes on where its last attempt stopped, as long as the file is still the same.

    Args:
        url: of the file, without credentials.
        part: where the bytes go.
        meter: is told how far the file has come.
    """

    def __init__(self, url: str, part: Path, meter: Meter) -> None:
        self._url = url
        self._part = part
        self._meter = meter
        self._begun: Published | None = None  # the file that the bytes in the part belong to
        self._was_damaged = False

    def attempt(self, client: "httpx.Client", pace: Pace) -> Published:
        """Fetch what is still missing.

        Raises:
            Transient, httpx.TransportError: another attempt may do better.
            NotPublished: there is no such file (yet).
            SourceUnavailable: another attempt would get the same answer.
            BadFile: the bytes are another file's, by the first of them or by the source's own checksum.
        """
        with client.stream("GET", self._url, headers=self._headers(), extensions=pace.extensions) as response:
            if response.status_code == HTTPStatus.OK:
                self._begun = published_by(self._url, response)
                self._meter.begin(self._begun.size)
                return self._receive(response, self._begun, "wb", pace)
            if self._begun and self._continued_by(response, self._begun):
                return self._receive(response, self._begun, "ab", pace)
            if response.status_code in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                self._begun = None
                raise Transient("the server would not go on where it had stopped: starting over")
            raise refusal(self._url, response)

    def _headers(self) -> dict[str, str]:
        """Ask for the missing bytes if the file is still the same; for all where the server could not tell."""
        validator = _validator(self._begun) if self._begun else None
        if validator is None:
            return {}
        return {"Range": f"bytes={self._part.stat().st_size}-", "If-Range": validator}

    def _continued_by(self, response: "httpx.Response", begun: Published) -> bool:
        # A server that does not know If-Range would go on in the middle of another file.
        return (
            response.status_code == HTTPStatus.PARTIAL_CONTENT
            and content_range(response) == (self._part.stat().st_size, begun.size)
            and response.headers.get("etag") in (None, begun.etag)
            and response.headers.get("last-modified") in (None, begun.last_modified)
        )

    def _receive(self, response: "httpx.Response", begun: Published, mode: str, pace: Pace) -> Published:
        with self._part.open(mode) as file:
            looked = file.tell() >= _LOOK
            for block in response.iter_raw():
                file.write(block)
                pace.received(len(block))
                if not looked and file.tell() >= _LOOK:
                    looked = True
                    file.flush()
                    self._refuse_another_file(begun)
                if file.tell() > _LARGEST:
                    raise self._too_large(f"sent more than {_LARGEST:,} bytes")
                self._meter.at(file.tell(), begun.size)
            done = file.tell()
        if begun.size is not None and done != begun.size:
            raise Transient(f"the server stopped after {done:,} of {begun.size:,} bytes")
        self._compare(begun)
        self._meter.end(done)
        return begun

    def _refuse_another_file(self, begun: Published) -> None:
        """Look at the first bytes while the others are still on their way: an error page may claim any length."""
        strange = strange_beginning(self._part)
        if strange is not None:
            raise BadFile(f"{strange} (it came from {self._url})")
        if begun.size is not None and begun.size > _LARGEST:
            raise self._too_large(f"announces {begun.size:,} bytes")

    def _too_large(self, what: str) -> BadFile:
        return BadFile(
            f"{self._part.name}: the server {what}, which no file of TLC's has (the largest has 611 MB); check the"
            f" source's address (it came from {self._url})"
        )

    def _compare(self, begun: Published) -> None:
        """Compare the bytes with what the source says of them, and start over once where they differ."""
        differs = mismatch(self._part, begun.checksums)
        if differs is None:
            return
        self._begun = None
        if self._was_damaged:
            raise BadFile(
                f"{self._part.name} arrived damaged twice: {differs}; fetch it again later, and where that gives the"
                f" same, take it from another source (it came from {self._url})"
            )
        self._was_damaged = True
        raise Transient(f"the file arrived damaged: {differs}")


def _validator(begun: Published) -> str | None:
    """What makes a Range safe: a strong ETag, or the date where there is no ETag at all (RFC 9110, 13.1.5)."""
    if begun.etag is None:
        return begun.last_modified
    return None if begun.etag.startswith("W/") else begun.etag
