from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery as google_bigquery
from google.cloud import storage
from google.resumable_media.requests import _request_helpers as uploads

from taxi_assets.stores.bigquery import connection as bigquery_connection
from taxi_assets.stores.lake.gcs import objects as gcs_objects
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer

from . import subjects
from .proxies import HttpProxy, http_proxy
from .recording import Outcome, Tell, append
from .subjects import HttpSubject, Make

LONGEST_PAUSE = 0.1
SMALLEST_PIECE = 256 << 10  # bytes of an upload that Google takes at a time


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability-report", type=Path, help="append what became of each fault to this file")


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Tell:
    """Notes what became of a fault: `told(fault, store, outcome, tries)`."""
    report = request.config.getoption("--reliability-report", default=None)
    return lambda *values: append(report, Outcome(*values))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's clients pause between two tries as they always do, but for a tenth of a second at most."""
    pauses = {"initial": LONGEST_PAUSE, "maximum": LONGEST_PAUSE}
    monkeypatch.setattr(gcs_objects, "DEFAULT_RETRY", gcs_objects.DEFAULT_RETRY.with_delay(**pauses))
    monkeypatch.setattr(google_bigquery, "DEFAULT_RETRY", google_bigquery.DEFAULT_RETRY.with_delay(**pauses))
    monkeypatch.setattr(uploads._helpers, "calculate_retry_wait", lambda base, *_: (base, LONGEST_PAUSE))


@pytest.fixture
def gcs_proxy(gcs: GcsServer) -> Iterator[HttpProxy]:
    with http_proxy(gcs.url) as proxy:
        yield proxy


@pytest.fixture
def bigquery_proxy(bigquery: BigQueryServer) -> Iterator[HttpProxy]:
    with http_proxy(bigquery.url) as proxy:
        yield proxy


def alone(way: str) -> object:
    """One worker does all tests of the way: each worker starts a server of its own, which takes three seconds."""
    return pytest.param(way, marks=pytest.mark.xdist_group(way))


@pytest.fixture(params=["gcs_at_once", "gcs_in_pieces", alone("bigquery_by_upload"), alone("bigquery_by_reference")])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a store behind a proxy, in each way that rows get into it."""
    proxy = request.getfixturevalue(f"{request.param.partition('_')[0]}_proxy")
    if request.param == "gcs_in_pieces":
        monkeypatch.setattr(storage.blob, "_MAX_MULTIPART_SIZE", SMALLEST_PIECE)
        monkeypatch.setattr(gcs_objects, "_UPLOAD_CHUNK", SMALLEST_PIECE)

    def make(patience: float, for_an_answer: float) -> HttpSubject:
        for module in (gcs_objects, bigquery_connection):
            monkeypatch.setattr(module, "_TRIES", patience / for_an_answer)
        subject = getattr(subjects, request.param)(proxy.url, tmp_path, patience)
        return HttpSubject(**vars(subject), proxy=proxy)

    return make


@pytest.fixture
def server(request: pytest.FixtureRequest, make: object) -> Iterator[GcsServer | BigQueryServer]:
    """The server behind the proxy; it runs again afterwards, or one test that fails would fail all that follow."""
    server = request.getfixturevalue(request.node.callspec.params["make"].partition("_")[0])
    yield server
    server.process.ensure_running()
