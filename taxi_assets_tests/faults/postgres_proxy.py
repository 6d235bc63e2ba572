"""What stands between a client and PostgreSQL."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from .proxies import LONGEST_SILENCE, reset

_READ_BYTES = 16 << 10
_SMALL_BUFFER = 64 << 10  # bytes; the system's own would take a whole month that nobody reads
_COMMIT = b"COMMIT\0"
_GOODBYE = b"X\0\0\0\4"


@dataclass
class Talk:
    """One connection, at the moment when something happens to it."""

    client: socket.socket
    server: socket.socket
    released: threading.Event

    def break_off(self) -> None:
        """End both connections as a crash of the machine between does."""
        reset(self.client)

    def fall_silent(self) -> None:
        """Neither read nor write any more."""
        self.released.wait(LONGEST_SILENCE)

    def lose_answer(self) -> None:
        """Let the server do what it was asked last, and keep its answer."""
        self.server.recv(_READ_BYTES)
        reset(self.client)


Fault = Callable[[Talk], object]


@dataclass
class PostgresProxy:
    """Passes on what client and server say, up to a moment that is chosen.

    Attributes:
        port: on 127.0.0.1.
        upstream: the server's socket.
        moments: where each piece that the client sent began, in bytes since `forget` was called; without goodbyes.
        commits: asked for since then.
    """

    port: int
    upstream: Path
    moments: list[int] = field(default_factory=list)
    commits: int = 0
    _sent: int = 0
    _before: tuple[int, Fault] | None = None
    _after_commit: tuple[int, Fault] | None = None
    _released: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Count from zero again and let everything pass; connections that fell silent end."""
        self._released.set()
        self._released = threading.Event()
        self.moments, self.commits, self._sent = [], 0, 0
        self._before = self._after_commit = None

    def fail(self, fault: Fault, *, at: int) -> None:
        """Forget, and then do this instead of passing on what the client says after so many bytes."""
        self.forget()
        self._before = at, fault

    def fail_after_commit(self, fault: Fault, number: int) -> None:
        """Forget, and then do this when the server has been asked to commit for the time of that number."""
        self.forget()
        self._after_commit = number, fault

    def talk(self, client: socket.socket) -> None:
        """Pass on until one side leaves or something happens."""
        released = self._released
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self.upstream))
            talk = Talk(client, server, released)
            while True:
                readable, _, _ = select.select([client, server], [], [])
                if server in readable:
                    answer = server.recv(_READ_BYTES)
                    client.sendall(answer)
                    if not answer:
                        return
                if client in readable:
                    said = client.recv(_READ_BYTES)
                    before, after = self._faults(said)
                    if before is not None:
                        before(talk)
                        return
                    server.sendall(said)
                    if after is not None:
                        after(talk)
                        return
                    if not said:
                        return

    def _faults(self, said: bytes) -> tuple[Fault | None, Fault | None]:
        """Note what the client said; what happens before it is passed on, and what after."""
        before = after = None
        if said not in (b"", _GOODBYE):
            self.moments.append(self._sent)
            self._sent += len(said)
            if self._before is not None and self._sent > self._before[0]:
                before = self._before[1]
        if _COMMIT in said:
            if self._after_commit is not None and self.commits == self._after_commit[0]:
                after = self._after_commit[1]
            self.commits += 1
        return before, after


@contextmanager
def postgres_proxy(upstream: Path) -> Iterator[PostgresProxy]:
    """A proxy on a free port of 127.0.0.1, for as long as the block lasts."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        proxy = PostgresProxy(listener.getsockname()[1], upstream)
        threading.Thread(target=_accept, args=(listener, proxy), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.forget()
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, proxy: PostgresProxy) -> None:
    with suppress(OSError):  # it is closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=proxy.talk, args=(client,), daemon=True).start()
