"""A webhook as alerts reach it: a real server that keeps what it took."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "s3cr et"  # noqa: S105 - not one
ALERT_SENSORS = (
    "run_failure_alert",
    "check_failure_alert",
    "backfill_failure_alert",
    "tick_failure_alert",
    "freshness_alert",
)


@dataclass
class Webhook:
    """What was posted, and whether it is up."""

    url: str = ""
    status: int = 200
    texts: list[str] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Webhook]:
    """A webhook that takes alerts while its status is 200."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status == 200:
                hook.texts.append(body["text"])
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}/hooks/t0ken"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield hook
        server.shutdown()
