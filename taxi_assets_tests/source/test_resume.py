"""What happens after a download has broken off."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import NotPublished, SourceUnavailable
from taxi_assets.source.http import HttpSource

from .cdn import LAST_MODIFIED, Answer, Cdn
from .failing import failing

NAME = "green_tripdata_2024-01.parquet"
PATH = f"trip-data/{NAME}"


@pytest.fixture
def other(tmp_path: Path) -> bytes:
    """Another file than `trips`, as TLC publishes it when it corrects a month."""
    file = tmp_path / "other.parquet"
    pq.write_table(pa.table({"trip": range(100_000)}), file, use_dictionary=False, compression="none")
    return file.read_bytes()


def test_the_next_attempt_fetches_what_is_missing(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=150_000), Answer(cut=100_000))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-", "bytes=250000-"]
    assert cdn.requests[1].headers["If-Range"] == '"first"'


def test_a_reset_connection_is_no_worse_than_a_closed_one(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=0, reset=True), Answer(cut=150_000, reset=True))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips


def test_a_server_out_of_order_does_not_lose_what_is_there(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=150_000), Answer(status=503))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-", "bytes=150000-"]


def test_a_part_that_ends_early_is_gone_on_with(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    size = len(trips)
    less = {"Content-Range": f"bytes 150000-199999/{size}", "Content-Length": "50000"}
    cdn.will(Answer(cut=150_000), Answer(headers=less, cut=50_000))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-", "bytes=200000-"]


def test_without_an_etag_the_date_decides_whether_the_file_is_the_same(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips, etag=None)
    cdn.will(Answer(cut=150_000))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-"]
    assert cdn.requests[1].headers["If-Range"] == LAST_MODIFIED


@pytest.mark.parametrize("etag", ['W/"weak"', None])
def test_without_proof_that_the_file_is_the_same_it_is_fetched_from_its_start(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, etag: str | None
) -> None:
    cdn.put(PATH, trips, etag=etag)
    cdn.will(Answer(cut=150_000, headers={"Last-Modified": None}))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, None]


def test_a_server_without_ranges_sends_the_file_again(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=150_000), Answer(knows_range=False))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_replaced_in_between_is_fetched_from_its_start(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, other: bytes, *, knows_if_range: bool
) -> None:
    cdn.put(PATH, trips)
    cdn.will(
        Answer(cut=150_000, afterwards=lambda: cdn.put(PATH, other, '"second"')),
        Answer(knows_if_range=knows_if_range),
    )
    file = source.fetch(PATH, inbox)
    assert file.path.read_bytes() == other
    assert (file.size, file.etag) == (len(other), '"second"')


def test_a_file_that_became_shorter_is_fetched_from_its_start(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes, other: bytes
) -> None:
    cdn.put(PATH, other)
    cdn.will(
        Answer(cut=len(trips) + 1, afterwards=lambda: cdn.put(PATH, trips, '"second"')),
        Answer(knows_if_range=False),
    )
    assert source.fetch(PATH, inbox).path.read_bytes() == trips


def test_a_part_from_another_place_is_not_appended(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    wrong = {"Content-Range": f"bytes 149000-{len(trips) - 1}/{len(trips)}"}
    cdn.will(Answer(cut=150_000), Answer(headers=wrong))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips
    assert cdn.ranges == [None, "bytes=150000-", None]


def test_a_part_that_nobody_asked_for_is_not_taken(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(status=206, body=trips))
    assert source.fetch(PATH, inbox).path.read_bytes() == trips


def test_a_file_withdrawn_in_between_is_not_published(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put(PATH, trips)
    cdn.will(Answer(cut=150_000, afterwards=cdn.files.clear))
    with failing(NotPublished, "404", inbox=inbox):
        source.fetch(PATH, inbox)


def test_a_connection_that_breaks_every_time_is_given_up(
    cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes
) -> None:
    cdn.put(PATH, trips)
    cdn.will(*[Answer(cut=1000)] * 3)
    with failing(SourceUnavailable, r"cannot be fetched: peer closed connection.*\(attempts: 3\)", inbox=inbox):
        source.fetch(PATH, inbox)
    assert len(cdn.requests) == 3
