"""Starts the emulator with what the harness adds to it, so that it does as the real service does.

Run with the emulator's own interpreter; its settings are in BQEMU_ variables. What is added, and why:

- `engine`: a connection per thread and transactions, for a load beside its readers; the spatial extension from a wheel,
  since the emulator would download it; a query's result as a table, for the Storage Read API.
- `loads`: Parquet loads of one partition (`table$202401`) or of a whole table, by column name, all or nothing, refused
  with the real service's reasons. The emulator rejects the decorator, inserts by position and commits piece by piece.
- `jobs`: a job under the client's id, a taken id refused, a load that goes on when its client has gone. The emulator
  runs a taken id again and within the request.
- `uploads`: load jobs with their file, streamed to disk, under the client's job id, and with a piece sent twice taken
  once. The emulator holds the file in memory several times and makes up an id.
- `tables`: etags that guard updates, added columns that can be used, merged labels, `requirePartitionFilter`, and the
  legacy names of types, and a table's location. The emulator ignores the first four, answers in the names it was
  given, and says nothing of the location.
- `queries`: no scan of a table that demands a partition filter without one; pages of results without FastAPI's look at
  every cell, which takes seconds a page; results forgotten after a while, which the emulator keeps for ever.
- `alterations`: a column's wider type and a dropped column, which the emulator's own answers about the table ignore.
- `recording`: every request in a file, for the tests to read.
"""

import asyncio
import gc

import bqemulator.server
import uvloop
from bqemulator.api.app import create_app
from bqemulator.api.dependencies import AppContext
from bqemulator.config import Settings
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from taxi_assets_tests.garbage import collect_seldom
from taxi_assets_tests.servers.bigquery_emulator import alterations, jobs, parsing, queries, recording, tables, uploads
from taxi_assets_tests.servers.bigquery_emulator.engine import ThreadsEngine


def create_patched_app(context: AppContext) -> FastAPI:
    """Make the emulator's application, with the harness's routes before its own."""
    app = create_app(context)
    # Its metrics, access log and correlation ids are read by no test, and each copies the answer from task to task.
    app.user_middleware = [one for one in app.user_middleware if not issubclass(one.cls, BaseHTTPMiddleware)]
    jobs.fail_interrupted(context)
    for module in (jobs, queries, tables, uploads):
        app.router.routes[:0] = module.router.routes
    app.add_middleware(recording.Recorder, log=context.settings.data_dir / "requests.jsonl")
    return app


def main() -> None:
    """Patch the emulator and serve until told to stop."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    gc.freeze()
    collect_seldom()
    for module in (jobs, parsing, queries, alterations):
        module.install()
    bqemulator.server.DuckDBEngine = ThreadsEngine
    bqemulator.server.create_app = create_patched_app
    bqemulator.server.run_forever(Settings())


if __name__ == "__main__":
    main()
