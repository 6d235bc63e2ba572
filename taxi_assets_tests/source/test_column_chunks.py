"""What one read of a file's pages finds: damaged pages, and statistics that are not those of the values."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.errors import BadFile
from taxi_assets.month import Month
from taxi_assets.sample import write_month
from taxi_assets.source.verify import verify_parquet

from ..cleaning.months import outcome_of
from .footers import (
    DEFINITION_LEVELS,
    MAX,
    MAX_VALUE,
    MIN,
    MIN_VALUE,
    NULL_COUNT,
    SIZES,
    Statistics,
    Struct,
    with_metadata,
    with_statistics,
)

GREEN, MONTH = dataset_named("green"), Month(2023, 1)
_BINARY, _NUMBER = 8, 6
A_LONG_TEXT = "x" * 300
EVERY_TYPE = {
    "int8": pa.array([1, -2, None], pa.int8()),
    "uint8": pa.array([1, 200, None], pa.uint8()),
    "uint32": pa.array([1, 2**32 - 1, None], pa.uint32()),
    "uint64": pa.array([1, 2**64 - 1, None], pa.uint64()),
    "float": pa.array([1.1, float("nan"), None], pa.float32()),
    "double": pa.array([-0.0, 0.0, None]),
    "half": pa.array([1.5, 2, None], pa.float16()),
    "nan": pa.array([float("nan")] * 3),
    "infinite": pa.array([float("inf"), float("-inf"), None]),
    "bool": pa.array([True, False, None]),
    "text": pa.array(["a", "é", None]),
    "long": pa.array([A_LONG_TEXT, "é", None], pa.large_string()),
    "view": pa.array(["a", "é", None], pa.string_view()),
    "binary": pa.array([b"\xff", b"", None]),
    "fixed": pa.array([b"ab", b"\xffa", None], pa.binary(2)),
    "decimal": pa.array([Decimal("1.20"), Decimal("-3.00"), None], pa.decimal128(24, 2)),
    "small decimal": pa.array([Decimal("1.20"), Decimal("-3.00"), None], pa.decimal128(5, 2)),
    "date": pa.array([date(2020, 1, 1), None, date(1969, 1, 1)]),
    "time32": pa.array([5, 6, None], pa.time32("ms")),
    "time64": pa.array([5, 6, None], pa.time64("ns")),
    "seconds": pa.array([5, -6, None], pa.timestamp("s")),
    "ms": pa.array([5, -6, None], pa.timestamp("ms")),
    "ns": pa.array([5, -6, None], pa.timestamp("ns")),
    "zoned": pa.array([datetime(2020, 1, 1), None, None], pa.timestamp("us", "America/New_York")),
    "duration": pa.array([5, 6, None], pa.duration("us")),
    "nothing": pa.nulls(3),
    "no value": pa.nulls(3, pa.int64()),
    "dictionary": pa.array(["b", "a", None]).dictionary_encode(),
    "list": pa.array([[1, 2], None, []]),
    "struct": pa.array([{"a.b": 1}, None, {"a.b": None}]),
    "a.b": pa.array([1, 2, None]),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "green_tripdata_2023-01.parquet"


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("month") / "green.parquet"
    write_month(GREEN, MONTH, path, rows=300)
    return path.read_bytes()


@pytest.mark.parametrize(
    "options", [{}, {"version": "1.0"}, {"data_page_version": "2.0"}, {"use_dictionary": False}], ids=str
)
def test_a_column_of_every_type_is_what_its_statistics_say(file: Path, options: dict[str, object]) -> None:
    table = pa.table({name: column for name, column in EVERY_TYPE.items() if options == {} or name != "ns"})
    pq.write_table(table, file, row_group_size=2, **options)
    assert verify_parquet(file) == 3


def test_two_columns_of_one_name_are_left_to_those_who_read_them(file: Path) -> None:
    pq.write_table(pa.table([pa.array([1]), pa.array(["a"])], names=["twice", "twice"]), file)
    assert verify_parquet(file) == 1


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
def test_a_pages_own_checksum_is_compared(file: Path, codec: str) -> None:
    numbers = pa.table({"number": range(1000)})
    pq.write_table(numbers, file, compression=codec, use_dictionary=False, write_page_checksum=True)
    damaged = bytearray(file.read_bytes())
    damaged[pq.read_metadata(file).row_group(0).column(0).total_compressed_size] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(BadFile, match=r"damaged: column number cannot be read .*CRC.*fetch it again"):
        verify_parquet(file)


def least_is_all(statistics: Statistics, _: int) -> None:
    for most, least in ((MAX, MIN), (MAX_VALUE, MIN_VALUE)):
        if least in statistics:
            statistics[most] = statistics[least]


def greatest_is_all(statistics: Statistics, _: int) -> None:
    for most, least in ((MAX, MIN), (MAX_VALUE, MIN_VALUE)):
        if most in statistics:
            statistics[least] = statistics[most]


def nothing_is_there(statistics: Statistics, values: int) -> None:
    statistics[NULL_COUNT] = [_NUMBER, values]


def everything_is_there(statistics: Statistics, _: int) -> None:
    statistics[NULL_COUNT] = [_NUMBER, 0]


def one_level_more(metadata: Struct) -> None:
    metadata[SIZES][1][DEFINITION_LEVELS][1][1].append(0)


VERIFY = """
import sys
from pathlib import Path
from taxi_assets.errors import BadFile
from taxi_assets.source.verify import verify_parquet
try:
    verify_parquet(Path(sys.argv[1]))
except BadFile:
    print("refused")
"""

LIES = (least_is_all, greatest_is_all, nothing_is_there, everything_is_there)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_statistics_that_lie_are_refused_with_their_column(
    lie: Callable[[Statistics, int], None], month: bytes, file: Path
) -> None:
    file.write_bytes(month)
    refused = 0
    for name in pq.read_schema(file).names:
        damaged = with_statistics(month, name, lie)
        file.write_bytes(damaged)
        if damaged == with_statistics(month, name, lambda *_: None):
            verify_parquet(file)
            continue
        refused += 1
        with pytest.raises(BadFile, match=f"contradicts itself: column {name} has .*by its footer.*another source"):
            verify_parquet(file)
    assert refused >= 3


@pytest.mark.parametrize("lie", [least_is_all, greatest_is_all, everything_is_there], ids=lambda lie: lie.__name__)
def test_rules_do_not_believe_statistics(lie: Callable[[Statistics, int], None], month: bytes, file: Path) -> None:
    """That nothing is there DuckDB's reader believes by itself: only the source's own look at the file finds that."""
    file.write_bytes(month)
    usual = outcome_of(file, GREEN, MONTH)
    file.write_bytes(with_statistics(month, None, lie))
    outcome = outcome_of(file, GREEN, MONTH)
    assert outcome.rejected == usual.rejected
    assert outcome.clean.equals(usual.clean)
    assert outcome.quarantine.equals(usual.quarantine)


def test_a_footer_whose_sizes_are_damaged_does_not_end_the_process(month: bytes, file: Path) -> None:
    """Of a histogram with one level too many pyarrow 26 says so by ending the process, where its metadata are read."""
    file.write_bytes(with_metadata(month, "VendorID", one_level_more))
    read = subprocess.run([sys.executable, "-c", VERIFY, file], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stdout) == (0, "refused\n")


def test_a_name_that_differs_within_the_footer_is_refused(month: bytes, file: Path) -> None:
    at = month.rindex(b"VendorID", 0, month.rindex(b"ARROW:schema"))
    file.write_bytes(month[:at] + b"VendorIE" + month[at + 8 :])
    with pytest.raises(
        BadFile, match=r"contradicts itself: column VendorI. has another name, VendorI., elsewhere in the footer"
    ):
        verify_parquet(file)


@pytest.mark.parametrize("which", [1, 2])
def test_a_name_that_is_no_text_is_refused_wherever_it_is_in_the_footer(which: int, file: Path) -> None:
    pq.write_table(pa.table({"VendorID": [1]}), file, store_schema=False)
    pieces = file.read_bytes().split(b"VendorID")
    assert len(pieces) == 3
    pieces[which] = b"Vendor\xe3(" + pieces[which]
    other = 3 - which
    pieces[other] = b"VendorID" + pieces[other]
    file.write_bytes(b"".join(pieces))
    with pytest.raises(BadFile, match="has a column whose name is not UTF-8"):
        verify_parquet(file)


def test_real_files_agree_with_their_statistics(tlc: Path) -> None:
    assert all(verify_parquet(file) for file in (tlc / "trip-data").glob("*.parquet"))
