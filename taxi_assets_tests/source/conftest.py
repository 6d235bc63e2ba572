import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.source.http import HttpSource
from taxi_assets.source.http_pauses import forget_pauses

from .cdn import Cdn, serving

_TLC = Path(__file__).parents[3] / "shared" / "tlc"


@pytest.fixture(scope="session")
def trips(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A Parquet file of 2,000 rows in two row groups, about 400 kB that do not compress: many blocks on the wire."""
    file = tmp_path_factory.mktemp("trips") / "trips.parquet"
    noise = [hashlib.shake_256(b"%d" % trip).digest(200) for trip in range(2000)]
    table = pa.table({"trip": range(2000), "noise": noise})
    pq.write_table(table, file, row_group_size=1000)
    return file.read_bytes()


@pytest.fixture(scope="session")
def zones() -> bytes:
    """A zone lookup of three rows, with TLC's quoting and line endings."""
    return (
        b'"LocationID","Borough","Zone","service_zone"\r\n'
        b'1,"EWR","Newark Airport","EWR"\r\n'
        b'2,"Queens","Jamaica Bay","Boro Zone"\r\n'
        b'264,"Unknown","N/A","N/A"\r\n'
    )


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """A later test's server may get the port of an earlier one's."""
    yield
    forget_pauses()


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with serving() as cdn:
        yield cdn


@pytest.fixture
def source(cdn: Cdn) -> HttpSource:
    """A source that fails after a few short retries, and waits for each answer as long as it takes."""
    return HttpSource(cdn.url, attempts=3, first_wait=0.001, longest_wait=0.01)


@pytest.fixture
def impatient(cdn: Cdn) -> HttpSource:
    """One that gives an answer up after a second; less would be too short for good answers of a busy machine."""
    return HttpSource(cdn.url, attempts=3, first_wait=0.001, longest_wait=0.01, read_timeout=1)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Where fetched files go; not there yet."""
    return tmp_path / "inbox"


@pytest.fixture(scope="session")
def tlc() -> Path:
    if not _TLC.is_dir():
        pytest.skip(f"real TLC files are not on this machine ({_TLC})")
    return _TLC
