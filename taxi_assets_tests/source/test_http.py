import hashlib
import logging
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from taxi_assets.errors import BadFile, NotPublished, SourceUnavailable
from taxi_assets.raw_file import RawFile
from taxi_assets.source.base import RemoteFile
from taxi_assets.source.http import HttpSource

from .cdn import LAST_MODIFIED, Answer, Cdn, serving
from .failing import failing

NAME = "green_tripdata_2024-01.parquet"
PATH = f"trip-data/{NAME}"


def test_head_returns_what_the_server_states(cdn: Cdn, source: HttpSource) -> None:
    cdn.put(PATH, b"12345")
    assert source.head(PATH) == RemoteFile(f"{cdn.url}/{PATH}", 5, '"first"', LAST_MODIFIED)
    assert [request.method for request in cdn.requests] == ["HEAD"]


@pytest.mark.parametrize("status", [403, 404])
def test_head_takes_403_and_404_for_not_published(cdn: Cdn, source: HttpSource, status: int) -> None:
    cdn.will(Answer(status=status))
    assert source.head(PATH) is None


@pytest.mark.parametrize("status", [405, 501])
@pytest.mark.parametrize("knows_range", [True, False])
def test_head_asks_for_one_byte_where_the_server_has_no_head(
    cdn: Cdn, source: HttpSource, status: int, knows_range: bool, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(status=status), Answer(knows_range=knows_range))
    assert source.head(PATH) == RemoteFile(f"{cdn.url}/{PATH}", len(trips), '"first"', LAST_MODIFIED)
    assert cdn.ranges == [None, "bytes=0-0"]


def test_head_without_head_still_notices_what_is_not_published(cdn: Cdn, source: HttpSource) -> None:
    cdn.will(Answer(status=405))
    assert source.head(PATH) is None


def test_head_asks_again_where_the_server_is_out_of_order(cdn: Cdn, impatient: HttpSource) -> None:
    cdn.put(PATH, b"12345")
    cdn.will(Answer(status=503), Answer(delay=5))
    assert impatient.head(PATH) is not None
    assert len(cdn.requests) == 3


def test_head_gives_up_in_the_end(cdn: Cdn, source: HttpSource) -> None:
    cdn.will(*[Answer(status=500)] * 3)
    with pytest.raises(SourceUnavailable, match="500 Internal Server Error"):
        source.head(PATH)


def test_a_server_that_states_no_sizes_and_dates_is_believed(cdn: Cdn, source: HttpSource, inbox: Path) -> None:
    cdn.put(PATH, b"", etag=None)
    cdn.will(Answer(headers={"Content-Length": None, "Last-Modified": None}))
    assert source.head(PATH) == RemoteFile(f"{cdn.url}/{PATH}")


def test_fetch_puts_the_whole_file_under_its_own_name(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    assert source.fetch(PATH, inbox) == RawFile(
        path=inbox / NAME,
        url=f"{cdn.url}/{PATH}",
        size=len(trips),
        sha256=hashlib.sha256(trips).hexdigest(),
        rows=2000,
        etag='"first"',
        last_modified=LAST_MODIFIED,
    )
    assert [file.name for file in inbox.iterdir()] == [NAME]
    assert (inbox / NAME).read_bytes() == trips


def test_fetch_asks_for_the_bytes_as_they_are(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    source.fetch(PATH, inbox)
    assert cdn.requests[0].headers["Accept-Encoding"] == "identity"


def test_fetch_takes_the_zone_lookup_as_well(cdn: Cdn, source: HttpSource, inbox: Path, zones: bytes) -> None:
    cdn.put("misc/taxi_zone_lookup.csv", zones)
    assert source.fetch("misc/taxi_zone_lookup.csv", inbox).rows == 3


def test_nothing_is_under_the_name_before_the_last_byte_is(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    seen = []
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=200_000, afterwards=lambda: seen.append((inbox / NAME).exists())))
    source.fetch(PATH, inbox)
    assert seen == [False]


def test_a_failed_fetch_leaves_the_file_of_an_earlier_one(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    source.fetch(PATH, inbox)
    cdn.put(PATH, trips[:-1])
    with pytest.raises(BadFile):
        source.fetch(PATH, inbox)
    assert [file.name for file in inbox.iterdir()] == [NAME]
    assert (inbox / NAME).read_bytes() == trips


def test_two_fetches_of_one_file_do_not_mix(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=100_000), Answer(cut=200_000))
    with ThreadPoolExecutor() as pool:
        files = list(pool.map(lambda _: source.fetch(PATH, inbox), range(4)))
    assert {file.sha256 for file in files} == {hashlib.sha256(trips).hexdigest()}
    assert (inbox / NAME).read_bytes() == trips


@pytest.mark.parametrize("status", [403, 404])
def test_fetch_takes_403_and_404_for_not_published(cdn: Cdn, source: HttpSource, inbox: Path, status: int) -> None:
    cdn.will(Answer(status=status, body=b"<Error><Code>AccessDenied</Code></Error>"))
    with failing(NotPublished, f"{PATH} is not published.*{status}", inbox=inbox):
        source.fetch(PATH, inbox)
    assert len(cdn.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 410, 204])
def test_an_answer_that_will_stay_the_same_is_not_asked_for_again(
    cdn: Cdn, source: HttpSource, inbox: Path, status: int
) -> None:
    cdn.will(Answer(status=status))
    with failing(SourceUnavailable, f"{PATH} cannot be fetched: the server answered {status} ", inbox=inbox):
        source.fetch(PATH, inbox)
    assert len(cdn.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, status: int) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(status=status), Answer(status=status))
    assert source.fetch(PATH, inbox).rows == 2000


def test_the_last_failure_is_reported_with_what_to_do(cdn: Cdn, source: HttpSource, inbox: Path) -> None:
    cdn.will(*[Answer(status=503)] * 3)
    with failing(
        SourceUnavailable,
        rf"^{cdn.url}/{PATH} cannot be fetched: the server answered 503 Service Unavailable \(attempts: 3\);"
        " check the connection and run again, or set TAXI_SOURCE to another source$",
        inbox=inbox,
    ):
        source.fetch(PATH, inbox)
    assert len(cdn.requests) == 3


def test_each_failed_attempt_is_logged(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(status=503))
    source.fetch(PATH, inbox)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"{cdn.url}/{PATH}: the server answered 503 Service Unavailable; retrying in 0 s"]


def test_retry_after_is_honoured(cdn: Cdn, inbox: Path, trips: bytes) -> None:
    impatient = HttpSource(cdn.url, attempts=2, first_wait=0.001, longest_wait=0.001)
    cdn.put(PATH, trips)
    cdn.will(Answer(status=429, headers={"Retry-After": "1"}))
    begin = time.monotonic()
    impatient.fetch(PATH, inbox)
    assert time.monotonic() - begin >= 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "asked", ["3600", format_datetime(datetime.now(tz=UTC) + timedelta(hours=1), usegmt=True)], ids=["seconds", "date"]
)
def test_a_server_that_asks_for_an_hour_s_pause_is_not_asked_again(
    cdn: Cdn, source: HttpSource, inbox: Path, status: int, asked: str
) -> None:
    cdn.will(Answer(status=status, headers={"Retry-After": asked}))
    with failing(SourceUnavailable, rf"{status} .*asks to be left alone for 3[56]\d\d s: run again", inbox=inbox):
        source.fetch(PATH, inbox)
    for other in (source, HttpSource(cdn.url, attempts=1)):
        with pytest.raises(SourceUnavailable, match="the server asked for a pause"):
            other.head(PATH)
    assert len(cdn.requests) == 1


def test_a_pause_holds_for_its_server_only(cdn: Cdn, source: HttpSource) -> None:
    cdn.will(Answer(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(SourceUnavailable):
        source.head(PATH)
    with serving() as other:
        other.put(PATH, b"12345")
        assert HttpSource(other.url).head(PATH) is not None


@pytest.mark.parametrize("asked", ["soon", "Thu, 22 Feb 2024 15:04:05 GMT"])
def test_a_retry_after_without_sense_is_as_good_as_none(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, asked: str
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(status=503, headers={"Retry-After": asked}))
    assert source.fetch(PATH, inbox).rows == 2000


def test_a_server_that_is_silent_for_too_long_is_asked_again(
    cdn: Cdn, impatient: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(delay=5))
    assert impatient.fetch(PATH, inbox).rows == 2000
    assert len(cdn.requests) == 2


def test_a_server_that_is_not_there_is_unavailable(inbox: Path) -> None:
    nobody = HttpSource("http://127.0.0.1:1", attempts=2, first_wait=0.001, longest_wait=0.001)
    with failing(SourceUnavailable, r"Connection refused \(attempts: 2\)", inbox=inbox):
        nobody.fetch(PATH, inbox)


def test_an_address_that_cannot_be_one_is_unavailable(inbox: Path) -> None:
    with failing(SourceUnavailable, r"Invalid .* URL.*\(attempts: 1\)", inbox=inbox):
        HttpSource("http://mirror\x01.example.org").fetch(PATH, inbox)


def test_a_redirect_is_followed(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put("elsewhere.parquet", trips)
    cdn.will(Answer(status=302, headers={"Location": "/elsewhere.parquet"}))
    file = source.fetch(PATH, inbox)
    assert (file.path.name, file.url) == (NAME, f"{cdn.url}/{PATH}")


def test_redirects_without_end_are_unavailable(cdn: Cdn, inbox: Path) -> None:
    cdn.will(*[Answer(status=302, headers={"Location": f"/{PATH}"})] * 30)
    with failing(SourceUnavailable, "redirects", inbox=inbox):
        HttpSource(cdn.url).fetch(PATH, inbox)  # patient: on a busy machine 20 answers take longer than 0.2 s


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<html><body>Please log in</body></html>", "HTML page"),
        (b"<Error><Code>SlowDown</Code></Error>", "<Code>SlowDown</Code>"),
        (b"", "empty"),
    ],
)
def test_a_page_under_status_200_is_not_a_file(
    cdn: Cdn, source: HttpSource, inbox: Path, body: bytes, text: str
) -> None:
    cdn.put(PATH, body)
    with failing(BadFile, rf"^{NAME} is .*{text}.* \(it came from {cdn.url}/{PATH}\)$", inbox=inbox):
        source.fetch(PATH, inbox)


def test_a_lookup_that_is_a_page_is_not_a_lookup(cdn: Cdn, source: HttpSource, inbox: Path) -> None:
    cdn.put("misc/taxi_zone_lookup.csv", b"<html>")
    with failing(BadFile, "HTML page.*not the zone lookup", inbox=inbox):
        source.fetch("misc/taxi_zone_lookup.csv", inbox)


def test_a_server_that_announces_too_few_bytes_is_found_out(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(headers={"Content-Length": "1000"}))
    with failing(BadFile, "cut short: 1,000 bytes", inbox=inbox):
        source.fetch(PATH, inbox)


def test_a_server_that_announces_too_many_bytes_is_found_out(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(*[Answer(headers={"Content-Length": str(len(trips) + 10)})] * 3)
    with failing(SourceUnavailable, "cannot be fetched", inbox=inbox):
        source.fetch(PATH, inbox)


def test_a_cut_file_of_unknown_length_is_found_out(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(headers={"Content-Length": None}, cut=200_000))
    with failing(BadFile, "cut short: 200,000 bytes", inbox=inbox):
        source.fetch(PATH, inbox)


def test_a_user_and_password_are_sent_and_never_shown(
    cdn: Cdn, inbox: Path, trips: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = cdn.url.replace("http://", "http://someone:top%40secret@")
    source = HttpSource(address, attempts=2, first_wait=0.001, longest_wait=0.001)
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=1000))
    file = source.fetch(PATH, inbox)
    cdn.will(Answer(status=500), Answer(status=500))
    with pytest.raises(SourceUnavailable) as failure:
        source.head(PATH)
    assert cdn.requests[0].headers["Authorization"] == f"Basic {b64encode(b'someone:top@secret').decode()}"
    assert source.url == cdn.url
    for text in (source.url, str(file), str(failure.value), caplog.text):
        assert "secret" not in text
        assert "someone" not in text


def test_a_user_and_password_do_not_follow_a_redirect_to_another_server(cdn: Cdn, inbox: Path, trips: bytes) -> None:
    with serving() as other:
        other.put(PATH, trips)
        cdn.will(Answer(status=307, headers={"Location": f"{other.url}/{PATH}"}))
        HttpSource(cdn.url.replace("http://", "http://someone:secret@")).fetch(PATH, inbox)
    assert cdn.requests[0].headers["Authorization"] is not None
    assert other.requests[0].headers["Authorization"] is None


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_an_address_may_have_a_path_and_end_in_a_slash(cdn: Cdn, ending: str) -> None:
    cdn.put(f"mirrors/tlc/{PATH}", b"12345")
    published = HttpSource(f"{cdn.url}/mirrors/tlc{ending}").head(PATH)
    assert published is not None
    assert published.url == f"{cdn.url}/mirrors/tlc/{PATH}"


def test_progress_is_reported_at_the_end(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    reported: list[tuple[str, int, int | None]] = []
    cdn.put(PATH, trips)
    source.fetch(PATH, inbox, lambda *now: reported.append(now))
    assert reported[-1] == (NAME, len(trips), len(trips))
