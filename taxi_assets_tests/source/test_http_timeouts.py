"""Sources that are slower than anybody can wait for, and answers that never end."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taxi_assets.errors import BadFile, SourceUnavailable
from taxi_assets.source import http, http_download, http_timeouts
from taxi_assets.source.http import HttpSource

from .failing import failing

NAME = "green_tripdata_2024-01.parquet"
PATH = f"trip-data/{NAME}"
OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "headers": (OK + b"X-Slow: ", b"a"),
    "body": (OK + b"Content-Length: 20000000\r\n\r\nPAR1", b"P"),
    "body of unknown length": (OK + b"\r\nPAR1", b"P"),
    "chunks without end": (OK + b"Transfer-Encoding: chunked\r\n\r\n1", b";"),
    "chunks of a byte": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nP\r\n"),
    "nothing": (b"", b""),
}
Serve = Callable[[bytes, bytes, float], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that sends the first bytes and then the others again and again, with pauses; returns its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(client: socket.socket, first: bytes, then: bytes, pause: float) -> None:
            with contextlib.suppress(OSError), client:
                client.recv(65_536)
                client.sendall(first)
                while True:
                    client.sendall(then)
                    time.sleep(pause)

        def listen(first: bytes, then: bytes, pause: float) -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    threading.Thread(target=answer, args=(client, first, then, pause), daemon=True).start()

        def start(first: bytes, then: bytes, pause: float) -> str:
            threading.Thread(target=listen, args=(first, then, pause), daemon=True).start()
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start
        server.shutdown(socket.SHUT_RDWR)


def impatient(url: str) -> HttpSource:
    return HttpSource(url, first_wait=0.001, longest_wait=0.001, read_timeout=0.25)


@pytest.mark.parametrize(("first", "then"), DRIPS.values(), ids=DRIPS)
def test_a_source_that_drips_is_given_up_after_three_windows(
    serve: Serve, inbox: Path, first: bytes, then: bytes
) -> None:
    slow = r"the server sent \d+ bytes in 0.25 s, less than 10,000 bytes a second"
    expected = rf"cannot be fetched: ({slow}|timed out) \(attempts: 3\)"
    with failing(SourceUnavailable, expected, inbox=inbox):
        impatient(serve(first, then, 0.02)).fetch(PATH, inbox)


def test_headers_that_drip_do_not_hold_a_sensor(serve: Serve) -> None:
    url = serve(*DRIPS["headers"], 0.02)
    with pytest.raises(SourceUnavailable, match=r"the server sent 0 bytes in 0.25 s.*\(attempts: 1\)"):
        HttpSource(url, attempts=1, read_timeout=0.25).head(PATH)


def test_a_byte_a_second_is_given_up_within_two_minutes() -> None:
    source = HttpSource("http://127.0.0.1")
    waits = sum(source._first_wait * 2**attempt + source._first_wait for attempt in range(http._MAX_SLOW_ATTEMPTS - 1))
    assert http._MAX_SLOW_ATTEMPTS * source._read_timeout + waits <= 120
    assert http_timeouts.MIN_BYTES_PER_SECOND * source._read_timeout > source._read_timeout


def test_a_file_that_takes_too_long_in_all_is_given_up(
    serve: Serve, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_FETCH_SECONDS", 0.5)
    url = serve(OK + b"\r\nPAR1", bytes(100_000), 0.02)
    with failing(SourceUnavailable, r"longest for one file \(attempts: 1\)", inbox=inbox):
        HttpSource(url, read_timeout=30).fetch(PATH, inbox)


def test_an_error_page_that_claims_20_gb_is_refused_by_its_first_bytes(serve: Serve, inbox: Path) -> None:
    url = serve(OK + b"Content-Length: 20000000000\r\n\r\n<!DOCTYPE html>\n", b" " * 65_536, 0.02)
    with failing(BadFile, f"^{NAME} is an HTML page.*{re.escape(url)}", inbox=inbox):
        impatient(url).fetch(PATH, inbox)


@pytest.mark.parametrize("path", ["misc/taxi_zone_lookup.csv", "misc/taxi_zones.zip"])
def test_an_endless_page_in_place_of_the_zones_is_refused_too(serve: Serve, inbox: Path, path: str) -> None:
    url = serve(OK + b'\r\n{"error": "slow down"}', b" " * 65_536, 0.02)
    with failing(BadFile, "is a JSON answer", inbox=inbox):
        impatient(url).fetch(path, inbox)


def test_no_file_of_tlcs_is_as_large_as_announced(serve: Serve, inbox: Path) -> None:
    url = serve(OK + b"Content-Length: 20000000000\r\n\r\nPAR1" + bytes(100), b"", 0.02)
    with failing(BadFile, "announces 20,000,000,000 bytes, which no file of TLC's has", inbox=inbox):
        impatient(url).fetch(PATH, inbox)


def test_an_answer_without_end_does_not_fill_the_disk(
    serve: Serve, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_download, "_MAX_BYTES", 1_000_000)
    url = serve(OK + b"\r\nPAR1", bytes(65_536), 0)
    with failing(BadFile, "sent more than 1,000,000 bytes, which no file of TLC's has", inbox=inbox):
        impatient(url).fetch(PATH, inbox)
