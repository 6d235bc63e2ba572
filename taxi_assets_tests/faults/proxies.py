"""What stands between a client and its server, and does to their talk what networks and services do."""

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LONGEST_SILENCE = 60  # seconds, after which even a client that waits for ever is let go
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Fault = Callable[["Exchange"], None]


class HttpProxy:
    """Passes requests on to the server at `upstream`, except those that are chosen to fail.

    Attributes:
        url: for the client.
        requests: what came since `forget` was called, as `METHOD /path`.
    """

    def __init__(self, url: str, upstream: str) -> None:
        self.url = url
        self.upstream = upstream
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._faults: dict[int, Fault] = {}
        self._fault_for_good: tuple[int, Fault] | None = None
        self.answers_lost: dict[tuple[str, str], tuple[HTTPResponse, bytes]] = {}

    def forget(self) -> None:
        """Count requests from zero again and let them all pass."""
        with self._lock:
            self.requests = []
            self._faults = {}
            self._fault_for_good = None

    def fail(self, fault: Fault, *, at: int, for_good: bool = False) -> None:
        """Forget, and then do this to the request of that number, or to it and to all that come after it."""
        self.forget()
        if for_good:
            self._fault_for_good = at, fault
        else:
            self._faults[at] = fault

    def fault_for(self, request: str) -> Fault:
        """Note the request, and tell what happens to it."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            if self._fault_for_good is not None and number >= self._fault_for_good[0]:
                return self._fault_for_good[1]
            return self._faults.get(number, pass_on)


@dataclass
class Exchange:
    """One request, read to its end, that waits for what becomes of it."""

    handler: BaseHTTPRequestHandler
    proxy: HttpProxy
    body: bytes

    def do_upstream(self, meanwhile: Callable[[], object] = lambda: None) -> tuple[HTTPResponse, bytes]:
        """Let the server do the work, and hear its answer.

        A piece of an upload that is sent again is not passed on again: Google's service keeps it once, by its place in
        the file, and fake-gcs-server twice.
        """
        piece = (self.handler.path, self.handler.headers.get("Content-Range", ""))
        return self.proxy.answers_lost.pop(piece, None) or self._asked(meanwhile)

    def lose_answer(self) -> None:
        """Let the server do the work, and end the connection without a word."""
        answer = self.do_upstream()
        if piece := self.handler.headers.get("Content-Range"):
            self.proxy.answers_lost[self.handler.path, piece] = answer
        self.handler.close_connection = True

    def _asked(self, meanwhile: Callable[[], object]) -> tuple[HTTPResponse, bytes]:
        with closing(HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=LONGEST_SILENCE)) as server:
            server.putrequest(self.handler.command, self.handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.handler.headers.items():
                if name.lower() not in _OF_ONE_CONNECTION:
                    server.putheader(name, value)  # Host among them: it is where a resumable upload goes on
            server.putheader("Content-Length", str(len(self.body)))
            server.endheaders(self.body)
            meanwhile()
            answer = server.getresponse()
            return answer, answer.read()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send this as the answer."""
        handler = self.handler
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def damage_answer(self) -> None:
        """Let the server do the work, and change the last byte of what it answers."""
        answer, body = self.do_upstream()
        self.answer(answer.status, _passed(answer), body[:-1] + bytes([body[-1] ^ 1]))

    def reset(self) -> None:
        """End the connection as a crash does."""
        self.handler.close_connection = True
        reset(self.handler.connection)

    def stay_silent(self) -> None:
        """Say nothing until the client has given up."""
        select.select([self.handler.connection], [], [], LONGEST_SILENCE)
        self.handler.close_connection = True


def pass_on(exchange: Exchange) -> None:
    """No fault; a server that is not there is a connection that breaks."""
    try:
        answer, body = exchange.do_upstream()
    except (OSError, HTTPException):
        exchange.reset()
        return
    exchange.answer(answer.status, _passed(answer), body)


def _passed(answer: HTTPResponse) -> Mapping[str, str]:
    """The headers that are passed on."""
    return {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}


def reset(connection: socket.socket) -> None:
    """Make the coming close of the connection a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: HttpProxy

    def do_POST(self) -> None:
        body = self._body()
        fault = self.proxy.fault_for(f"{self.command} {self.path}")
        with suppress(ConnectionError):  # the client has given up
            fault(Exchange(self, self.proxy, body))
            self.wfile.flush()

    do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_POST  # noqa: N815 - so the base class looks for them

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def shutdown_request(self, request: socket.socket) -> None:
        request.close()  # at once: the base class says goodbye first, and then a reset is none

    def handle_error(self, *_: object) -> None:
        """A client that leaves in the middle is part of the tests."""


@contextmanager
def http_proxy(upstream: str) -> Iterator[HttpProxy]:
    """A proxy on a free port of 127.0.0.1, for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.proxy = HttpProxy(f"http://127.0.0.1:{server.server_port}", upstream)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        yield handler.proxy
        server.shutdown()
