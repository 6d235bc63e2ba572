"""The requests that the server receives, written down for the tests before each is answered."""

import contextlib
import json
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_JSON = 1 << 20
NOTED_BODY = "taxi_assets_tests.body"


class Recorder:
    """Writes one JSON line per request to a file, which outlives the server."""

    def __init__(self, app: ASGIApp, log: Path) -> None:
        self.app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(("/bigquery", "/upload")):
            await self.app(scope, receive, send)
            return
        received = bytearray()
        size = 0
        status: int | None = None

        async def noting_receive() -> Message:
            nonlocal size
            message = await receive()
            body = message.get("body", b"")
            size += len(body)
            if size <= LONGEST_JSON:
                received.extend(body)
            return message

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._write(scope, bytes(received), size, status)
            await send(message)

        try:
            await self.app(scope, noting_receive, noting_send)
        finally:
            if status is None:
                self._write(scope, bytes(received), size, status)

    def _write(self, scope: Scope, received: bytes, size: int, status: int | None) -> None:
        query = scope["query_string"].decode()
        path = scope["path"] + (f"?{query}" if query else "")
        body = scope.get(NOTED_BODY)
        if body is None and size <= LONGEST_JSON:
            with contextlib.suppress(ValueError):
                body = json.loads(received)
        line = {"method": scope["method"], "path": path, "body": body, "body_bytes": size, "status": status}
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


def note_body(request: Request, body: dict[str, Any]) -> None:
    """Write this down as the request's body: the JSON of one that is more than JSON."""
    request.scope[NOTED_BODY] = body
