"""A few of the bits that `python -m taxi_assets_tests.bit_flips` flips."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month

from .bit_flips import CODECS, WITHOUT_CHECKSUMS, Original, at_rest, beside_sums, flipped, on_the_way, written_with
from .homes import REAL_FILES

GREEN, MONTH = dataset_named("green"), Month(2023, 1)
GZIP = REAL_FILES / "trip-data" / GREEN.file_name(MONTH)
FLIPS = 6


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        write_month(GREEN, MONTH, Path(folder) / "month.parquet", rows=100)
        return pq.read_table(Path(folder) / "month.parquet")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("way", [on_the_way, beside_sums])
def test_no_bit_is_loaded_wrong_where_the_source_states_a_checksum(way: object, codec: str, rows: pa.Table) -> None:
    with way() as publish:
        assert flipped(written_with(codec, rows, GREEN, MONTH), FLIPS, publish) == {"refused": FLIPS}


@pytest.mark.parametrize("codec", WITHOUT_CHECKSUMS)
def test_no_bit_is_loaded_wrong_where_pages_have_checksums(codec: str, rows: pa.Table) -> None:
    with at_rest() as publish:
        original = written_with(codec, rows, GREEN, MONTH, page_checksums=True)
        assert flipped(original, FLIPS, publish)["loaded wrong"] == 0


def test_no_bit_of_a_gzip_file_is_loaded_wrong(rows: pa.Table) -> None:
    with at_rest() as publish:
        assert flipped(written_with("gzip", rows, GREEN, MONTH), 2 * FLIPS, publish)["loaded wrong"] == 0


@pytest.mark.skipif(not GZIP.exists(), reason=f"real TLC files are not on this machine ({GZIP})")
def test_no_bit_of_tlcs_own_gzip_file_is_loaded_wrong() -> None:
    with at_rest() as publish:
        assert flipped(Original(GREEN, MONTH, GZIP.read_bytes()), FLIPS, publish)["loaded wrong"] == 0
