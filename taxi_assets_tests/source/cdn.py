"""A real HTTP server with files on it, with faults on request."""

import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LAST_MODIFIED = "Thu, 22 Feb 2024 15:04:05 GMT"


@dataclass(frozen=True)
class Answer:
    """What is out of the ordinary about the answer to one request.

    Attributes:
        status: in place of the file.
        body: in place of the file's bytes, or of the status's empty page.
        headers: in place of the ordinary ones, or beside them; None leaves one out.
        cut: bytes of the body after which the connection ends.
        reset: whether it ends as by a crash, not as by a close.
        delay: seconds of silence before the answer.
        knows_range: whether the server has heard of Range.
        knows_if_range: whether the server has heard of If-Range.
        afterwards: done before the connection ends.
    """

    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    delay: float = 0
    knows_range: bool = True
    knows_if_range: bool = True
    afterwards: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Message


@dataclass
class Cdn:
    """What is on the server, what it will answer, and what it was asked.

    Attributes:
        url: of the root.
        files: path to bytes and ETag; a None ETag is not sent.
        answers: for the next requests in turn; after them the server behaves.
        requests: so far.
        failing: paths that it answers with 503.
        held: paths whose bytes it does not send while they are in here.
    """

    url: str
    files: dict[str, tuple[bytes, str | None]] = field(default_factory=dict)
    answers: deque[Answer] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)

    def put(self, path: str, body: bytes, etag: str | None = '"first"') -> None:
        self.files[path] = (body, etag)

    def will(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers["Range"] for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cdn: Cdn

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        path = self.path.lstrip("/")
        self.cdn.requests.append(Request(self.command, path, self.headers))
        ordinary = Answer(status=503) if path in self.cdn.failing else Answer()
        answer = self.cdn.answers.popleft() if self.cdn.answers else ordinary
        time.sleep(answer.delay)
        while self.command == "GET" and path in self.cdn.held:
            time.sleep(0.05)
        if answer.status is not None or path not in self.cdn.files:
            status, headers, body = answer.status or 404, {}, answer.body or b""
        else:
            status, headers, body = self._file(answer, *self.cdn.files[path])
        self._send(answer, status, {"Content-Length": str(len(body)), **headers, **answer.headers}, body)

    def _file(self, answer: Answer, body: bytes, etag: str | None) -> tuple[int, dict[str, str | None], bytes]:
        if answer.body is not None:
            body = answer.body
        headers = {"ETag": etag, "Last-Modified": LAST_MODIFIED}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, etag, LAST_MODIFIED) or not answer.knows_if_range
        if not (asked and same and answer.knows_range):
            return 200, headers, body
        start, end = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
        if start >= len(body):
            return 416, {"Content-Range": f"bytes */{len(body)}"}, b""
        return 206, {**headers, "Content-Range": f"bytes {start}-{end}/{len(body)}"}, body[start : end + 1]

    def _send(self, answer: Answer, status: int, headers: Mapping[str, str | None], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        sent = body[: answer.cut]
        if self.command != "HEAD":
            self.wfile.write(sent)
        answer.afterwards()
        self.close_connection = answer.reset or headers["Content-Length"] != str(len(sent))
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def shutdown_request(self, request: socket.socket) -> None:
        request.close()  # at once: the base class says goodbye first, and then a reset is none

    def handle_error(self, *_: object) -> None:
        """A client that leaves in the middle is part of the tests."""


@contextmanager
def serving() -> Iterator[Cdn]:
    """An empty server on a free port, for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.cdn = Cdn(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        yield handler.cdn
        server.shutdown()
