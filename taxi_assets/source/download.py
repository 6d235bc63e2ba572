"""One file on its way from an HTTP server, over as many attempts as it takes."""

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.source.answers import Transient, content_range, published_by, refusal
from taxi_assets.source.base import Published
from taxi_assets.source.progress import Meter

if TYPE_CHECKING:
    import httpx


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

    def attempt(self, client: "httpx.Client") -> Published:
        """Fetch what is still missing.

        Raises:
            Transient, httpx.TransportError: another attempt may do better.
            NotPublished: there is no such file (yet).
            SourceUnavailable: another attempt would get the same answer.
        """
        with client.stream("GET", self._url, headers=self._headers()) as response:
            if response.status_code == HTTPStatus.OK:
                self._begun = published_by(self._url, response)
                self._meter.begin(self._begun.size)
                return self._receive(response, self._begun, "wb")
            if self._begun and self._continued_by(response, self._begun):
                return self._receive(response, self._begun, "ab")
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
        )

    def _receive(self, response: "httpx.Response", begun: Published, mode: str) -> Published:
        with self._part.open(mode) as file:
            for block in response.iter_raw():
                file.write(block)
                self._meter.at(file.tell(), begun.size)
            done = file.tell()
        if begun.size is not None and done != begun.size:
            raise Transient(f"the server stopped after {done:,} of {begun.size:,} bytes")
        self._meter.end(done)
        return begun


def _validator(begun: Published) -> str | None:
    """What makes a Range safe: a strong ETag, or the date where there is no ETag at all (RFC 9110, 13.1.5)."""
    if begun.etag is None:
        return begun.last_modified
    return None if begun.etag.startswith("W/") else begun.etag
