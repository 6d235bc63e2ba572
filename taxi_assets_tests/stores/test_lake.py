from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_assets.errors import InvalidRequest, SchemaMismatch, SliceMissing, StoreError
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.rows import BATCH_ROWS, Rows
from taxi_assets.stores.scratch import MARK, PREFIX, scratch_folder

from .contract import FEBRUARY, JANUARY, MARCH, StoreContract, assert_same, fares, numbered
from .type_contract import LakeTypeContract
from .versions import rows_of

TRIPS = TableSlice("clean/trips", JANUARY)
RAW = "raw/trips"


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def fetched(tmp_path: Path) -> RawFile:
    """A file on its way into the lake."""
    path = tmp_path / "inbox" / "trips_2024-01.csv"
    path.parent.mkdir()
    path.write_bytes(b"first")
    return RawFile(
        path,
        "https://example.org/trips_2024-01.csv",
        5,
        sha256_of(path),
        rows=0,
        etag='"1"',
        last_modified="Thu, 01 Feb 2024 00:00:00 GMT",
    )


class TestLake(LakeTypeContract, StoreContract):
    key_column = None

    table = "clean/trips"
    # Parquet keeps Arrow's own types.
    frame_types: ClassVar[dict[str, pa.DataType]] = {
        "row": pa.int64(),
        "zone": pa.dictionary(pa.int8(), pa.string()),
        "pickup": pa.timestamp("ns"),
        "nothing": pa.null(),
        "vendor": pa.int8(),
        "fare": pa.float32(),
    }

    @pytest.fixture
    def store(self, lake: LocalLake) -> LocalLake:
        return lake

    def test_types_that_tables_do_not_have_are_kept(self, store: LocalLake) -> None:
        given = numbered(
            rules=pa.array([["duplicate"], [], None]),
            exact=pa.array([Decimal("1.10"), None, Decimal("-9.99")]),
            unsigned=pa.array([0, None, 2**64 - 1], pa.uint64()),
            local=pa.array([0, None, 1], pa.timestamp("ns", "America/New_York")),
        )
        self.put(store, JANUARY, given)
        assert_same(self.found(store, JANUARY), given)


# Files


def test_a_month_is_one_file_that_anybody_can_read(lake: LocalLake) -> None:
    for month in (JANUARY, JANUARY, FEBRUARY):
        lake.replace(TableSlice("clean/trips", month), rows_of(1, rows=10))
    digests = [sha256_of(path)[:20] for path in sorted(lake.root.glob("clean/trips/*/*.parquet"))]
    assert [str(path.relative_to(lake.root)) for path in sorted(lake.root.glob("clean/trips/month=*/*.parquet"))] == [
        f"clean/trips/month=2024-01/trips-{digests[0]}.parquet",
        f"clean/trips/month=2024-02/trips-{digests[1]}.parquet",
    ]
    months = duckdb.read_parquet(f"{lake.root}/clean/trips/*/*.parquet", hive_partitioning=True)
    assert months.aggregate("month::VARCHAR, count(*)").order("1").fetchall() == [("2024-01", 10), ("2024-02", 10)]


def test_a_slice_is_read_by_reference_to_its_file(lake: LocalLake) -> None:
    lake.replace(TRIPS, rows_of(1, rows=10))
    [path] = lake.root.glob("clean/trips/month=2024-01/*.parquet")
    assert lake.read("clean/trips", [JANUARY]).files == (str(path.resolve()),)


def test_a_relative_folder_has_addresses_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert LocalLake(Path("lake")).uri(TRIPS) == f"{tmp_path.as_uri()}/lake/clean/trips/month%3D2024-01"


@pytest.mark.parametrize("batch_rows", [997, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, 2 * BATCH_ROWS])
def test_the_same_rows_are_the_same_bytes_whatever_the_batches(lake: LocalLake, batch_rows: int) -> None:
    rows = 2 * BATCH_ROWS + 1
    table = rows_of(1, rows).to_table().append_column("tip", pa.array([None] * (rows - 1) + [1.5]))
    batches = table.combine_chunks().to_batches(max_chunksize=batch_rows)
    written = []
    for given in ([*batches[:1], batches[0].slice(0, 0), *batches[1:]], table.to_batches()):
        lake.replace(TRIPS, Rows(table.schema, given.copy))
        [path] = lake.root.glob("clean/trips/month=2024-01/*.parquet")
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_a_reader_in_the_middle_of_a_file_goes_on_with_its_rows(lake: LocalLake) -> None:
    rows = BATCH_ROWS + 1
    lake.replace(TRIPS, rows_of(1, rows))
    reading = lake.read("clean/trips", [JANUARY]).batches()
    first = next(reading)
    lake.replace(TRIPS, rows_of(2, rows))
    assert pa.Table.from_batches([first, *reading])["version"].unique().to_pylist() == [1]


# Several months


def test_months_of_different_schemas_are_one_frame(lake: LocalLake) -> None:
    for month, table in (
        (JANUARY, numbered(vendor=pa.array([1], pa.int16()), zone=pa.nulls(1), fare=pa.array([1], pa.int32()))),
        (FEBRUARY, pa.table({"zone": ["JFK"], "row": [1], "vendor": [2**40], "fare": [2.5]})),
        (MARCH, pa.table({"row": [2], "fee": [0.75]})),
    ):
        lake.replace(TableSlice("clean/trips", month), Rows.from_table(table))
    assert lake.read("clean/trips").to_pandas().astype(object).where(lambda frame: frame.notna(), None).to_dict(
        "list"
    ) == {
        "row": [0, 1, 2],
        "vendor": [1, 2**40, None],
        "zone": [None, "JFK", None],
        "fare": [1.0, 2.5, None],
        "fee": [None, None, 0.75],
    }


def test_months_that_have_no_schema_in_common_are_not_read_together(lake: LocalLake) -> None:
    for month, zone in ((JANUARY, 132), (FEBRUARY, "JFK")):
        lake.replace(TableSlice("clean/trips", month), Rows.from_table(pa.table({"zone": [zone]})))
    with pytest.raises(SchemaMismatch, match=r"clean/trips do not fit together: .*zone"):
        lake.read("clean/trips")
    assert lake.read("clean/trips", [FEBRUARY]).to_table()["zone"].to_pylist() == ["JFK"]


def test_the_origin_of_one_month_is_known_and_that_of_several_is_not(lake: LocalLake) -> None:
    for month in (JANUARY, FEBRUARY):
        facts = {"taxi/source_url": f"https://example.org/{month}", "taxi/rules": "none"}
        lake.replace(TableSlice("clean/trips", month), Rows.from_table(fares(1.0)).with_provenance(facts))
    assert lake.read("clean/trips", [FEBRUARY]).provenance == {
        "taxi/source_url": "https://example.org/2024-02",
        "taxi/rules": "none",
        "taxi/null_counts": '{"row": 0, "fare": 0}',
    }
    assert lake.read("clean/trips").provenance == {}


def test_a_file_tells_how_many_values_each_column_lacks(lake: LocalLake) -> None:
    lake.replace(TRIPS, Rows.from_table(fares(1.0, None, None)))
    assert lake.read("clean/trips", [JANUARY]).provenance["taxi/null_counts"] == '{"row": 0, "fare": 2}'


def test_a_folder_of_a_month_without_a_file_is_no_month(lake: LocalLake) -> None:
    (lake.root / "clean/trips/month=2024-02").mkdir(parents=True)
    lake.replace(TRIPS, rows_of(1, rows=10))
    assert lake.months("clean/trips") == [JANUARY]


# What killed writers leave


def test_what_a_killed_writer_left_goes_with_the_next_replace(lake: LocalLake) -> None:
    left = lake.root / ".incoming" / f"{PREFIX}killed"
    left.mkdir(parents=True)
    (left / MARK).touch()
    (left / "rows.parquet").write_bytes(b"PAR1 and no more")
    lake.replace(TRIPS, rows_of(1, rows=10))
    assert list((lake.root / ".incoming").iterdir()) == []


def test_what_a_living_writer_is_writing_stays(lake: LocalLake) -> None:
    with scratch_folder(lake.root / ".incoming") as folder:
        (folder / "rows.parquet").write_bytes(b"PAR1 and more to come")
        lake.replace(TRIPS, rows_of(1, rows=10))
        assert (folder / "rows.parquet").exists()


def test_writers_that_come_and_go_do_not_take_one_another_for_dead(lake: LocalLake) -> None:
    def write(_: int) -> bool:
        with scratch_folder(lake.root / ".incoming") as folder:
            return folder.exists()

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(write, range(1_000)))


def test_rows_that_break_off_leave_no_file(lake: LocalLake) -> None:
    def break_off() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        lake.replace(TRIPS, Rows(pa.schema({"row": pa.int64()}), break_off))
    assert [path for path in lake.root.rglob("*") if path.name != ".incoming"] == []


# Files of the source


def test_a_file_keeps_its_bytes_its_name_and_its_origin(lake: LocalLake, fetched: RawFile) -> None:
    stored = lake.put_file(RAW, fetched)
    assert not fetched.path.exists()
    assert stored.path == (lake.root / RAW / "trips_2024-01.csv").resolve()
    assert stored.path.read_bytes() == b"first"
    found = lake.get_file(RAW, "trips_2024-01.csv")
    assert found == stored
    assert (found.url, found.etag, found.rows) == ("https://example.org/trips_2024-01.csv", '"1"', 0)
    assert found.last_modified == "Thu, 01 Feb 2024 00:00:00 GMT"


def test_a_file_is_replaced_with_its_origin(lake: LocalLake, fetched: RawFile) -> None:
    lake.put_file(RAW, fetched)
    fetched.path.write_bytes(b"second")
    again = RawFile(fetched.path, fetched.url, 6, sha256_of(fetched.path), None, etag='"2"')
    lake.put_file(RAW, again)
    found = lake.get_file(RAW, "trips_2024-01.csv")
    assert (found.path.read_bytes(), found.size, found.etag) == (b"second", 6, '"2"')


def test_bytes_that_are_not_those_that_were_stored_are_refused_until_the_file_is_fetched_again(
    lake: LocalLake, fetched: RawFile
) -> None:
    stored = lake.put_file(RAW, fetched)
    stored.path.write_bytes(b"fir5t")
    with pytest.raises(StoreError, match=r"raw/trips/trips_2024-01\.csv is damaged .*a7937b64b8ca.*fetches it again"):
        lake.get_file(RAW, "trips_2024-01.csv")
    fetched.path.write_bytes(b"first")
    assert lake.put_file(RAW, fetched) == lake.get_file(RAW, "trips_2024-01.csv")


def test_a_file_that_somebody_else_put_there_is_found(lake: LocalLake) -> None:
    path = lake.root / RAW / "trips_2024-01.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"by hand")
    assert lake.get_file(RAW, path.name) == RawFile(path, path.as_uri(), 7, sha256_of(path), rows=None)


def test_a_file_that_is_not_there_is_named(lake: LocalLake) -> None:
    with pytest.raises(SliceMissing, match=r"raw/trips/trips_2024-02\.csv.*materialize"):
        lake.get_file(RAW, "trips_2024-02.csv")
    assert lake.file_rows(RAW, "trips_2024-02.parquet") == 0


def test_rows_of_a_parquet_file_are_counted(lake: LocalLake) -> None:
    path = lake.root / RAW / "trips_2024-01.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(rows_of(1, rows=10).to_table(), path)
    assert lake.file_rows(RAW, path.name) == 10


# The way out


@pytest.mark.parametrize("table", ["../trips", "clean/../../trips", "/tmp/trips"])  # noqa: S108 - nothing gets there
@pytest.mark.parametrize(
    "use",
    [
        lambda lake, table, _: lake.replace(TableSlice(table, JANUARY), rows_of(1, rows=1)),
        lambda lake, table, _: lake.read(table, [Month(2024, 1)]),
        lambda lake, table, _: lake.read(table),
        lambda lake, table, _: lake.count(TableSlice(table)),
        lambda lake, table, _: lake.months(table),
        lambda lake, table, _: lake.uri(TableSlice(table)),
        lambda lake, table, fetched: lake.put_file(table, fetched),
        lambda lake, table, _: lake.get_file(table, "trips.csv"),
        lambda lake, table, _: lake.file_rows(table, "trips.csv"),
        lambda lake, table, _: lake.get_file(RAW, f"../../{table}"),
    ],
    ids=["replace", "read", "read all", "count", "months", "uri", "put_file", "get_file", "file_rows", "file name"],
)
def test_nothing_leads_out_of_the_lake(
    lake: LocalLake, fetched: RawFile, table: str, use: Callable[[LocalLake, str, RawFile], object]
) -> None:
    with pytest.raises(InvalidRequest, match="not a path inside the lake"):
        use(lake, table, fetched)
    assert fetched.path.exists()
