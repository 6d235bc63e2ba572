import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapefile

from taxi_assets.catalog import DATASETS, dataset_named
from taxi_assets.errors import InvalidRequest, NotPublished
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile, sha256_of
from taxi_assets.sample import MINIMUM_ROWS, SAMPLE_LAST_MONTH, SampleSource, write_tree
from taxi_assets.source.base import Source

GREEN = "trip-data/green_tripdata_2024-01.parquet"
ZONES = "misc/taxi_zone_lookup.csv"
SHAPES = "misc/taxi_zones.zip"
UNPUBLISHED = [
    "trip-data/green_tripdata_2013-12.parquet",
    "trip-data/green_tripdata_2026-01.parquet",
    "trip-data/green_tripdata_2024-13.parquet",
    "trip-data/green_tripdata_2024-01.csv",
    "trip-data/purple_tripdata_2024-01.parquet",
    "green_tripdata_2024-01.parquet",
    "misc/taxi_zones.tar",
]


def test_the_sample_is_a_source() -> None:
    source: Source = SampleSource()
    assert source.url == "sample"


@pytest.mark.parametrize("path", [GREEN, ZONES, SHAPES])
def test_head_identifies_a_file_without_making_it(path: str) -> None:
    published = SampleSource(MINIMUM_ROWS).head(path)
    assert published is not None
    assert published == SampleSource(MINIMUM_ROWS).head(path)
    assert published.url == f"sample/{path}"
    assert (published.size, published.last_modified) == (None, None)


def test_every_month_from_the_first_to_the_last_is_published() -> None:
    source = SampleSource()
    for dataset in DATASETS:
        for month in dataset.first_month.until(SAMPLE_LAST_MONTH):
            assert source.head(f"trip-data/{dataset.file_name(month)}") is not None


def test_etags_differ_where_the_bytes_do() -> None:
    asked = [(5_000, GREEN), (6_000, GREEN), (5_000, GREEN.replace("-01", "-02")), (5_000, ZONES)]
    etags = {published.etag for rows, path in asked if (published := SampleSource(rows).head(path))}
    assert len(etags) == len(asked)
    assert all(etag and etag[0] == etag[-1] == '"' for etag in etags)


@pytest.mark.parametrize("path", UNPUBLISHED)
def test_what_the_sample_does_not_have_is_not_published(path: str, tmp_path: Path) -> None:
    assert SampleSource().head(path) is None
    with pytest.raises(NotPublished, match=path):
        SampleSource().fetch(path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fetch_puts_the_whole_file_under_its_own_name(tmp_path: Path) -> None:
    source = SampleSource(200)
    raw = source.fetch(GREEN, tmp_path)
    file = tmp_path / "green_tripdata_2024-01.parquet"
    published = source.head(GREEN)
    assert published is not None
    assert list(tmp_path.iterdir()) == [file]
    assert pq.read_metadata(file).num_rows == 200
    assert raw == RawFile(
        path=file,
        url=f"sample/{GREEN}",
        size=file.stat().st_size,
        sha256=sha256_of(file),
        rows=200,
        etag=published.etag,
    )


def test_fetch_reports_how_large_the_file_became(tmp_path: Path) -> None:
    reported: list[tuple[str, int, int | None]] = []
    raw = SampleSource(200).fetch(GREEN, tmp_path, lambda *progress: reported.append(progress))
    assert reported == [(raw.path.name, raw.size, raw.size)]


def test_a_month_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=str(MINIMUM_ROWS)):
        SampleSource(MINIMUM_ROWS - 1).fetch(GREEN, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_zones_are_written_as_tlc_writes_them(tmp_path: Path) -> None:
    raw = SampleSource().fetch(ZONES, tmp_path)
    lines = raw.path.read_bytes().decode().split("\r\n")
    assert raw.rows == 265
    assert lines[0] == '"LocationID","Borough","Zone","service_zone"'
    assert lines[1] == '1,"EWR","Newark Airport","EWR"'
    assert lines[264:] == ['264,"Unknown","N/A","N/A"', '265,"N/A","Outside of NYC","N/A"', ""]
    assert [int(line.split(",")[0]) for line in lines[1:266]] == list(range(1, 266))


def test_zone_names_hold_what_careless_readers_trip_over(tmp_path: Path) -> None:
    text = SampleSource().fetch(ZONES, tmp_path).path.read_text(encoding="utf-8")
    assert "'" in text
    assert "/" in text
    assert not text.isascii()


def test_the_shapes_are_the_same_bytes_every_time_and_have_the_gaps_of_tlc(tmp_path: Path) -> None:
    first, again = (SampleSource().fetch(SHAPES, tmp_path / name) for name in ("first", "again"))
    assert first.sha256 == again.sha256
    assert first.rows == 263
    with shapefile.Reader(str(first.path)) as reader:
        zones = [record["LocationID"] for record in reader.iterRecords()]
    assert sorted(zones) == sorted([56, 103, 103, *(set(range(1, 264)) - {57, 104, 105})])


def test_a_tree_holds_every_era_and_the_zones(tmp_path: Path) -> None:
    paths = write_tree(tmp_path, rows=MINIMUM_ROWS)
    expected = {f"trip-data/{dataset.file_name(era.since)}" for dataset in DATASETS for era in dataset.eras}
    assert {path.relative_to(tmp_path).as_posix() for path in paths} == {*expected, ZONES, SHAPES}
    assert all(path.stat().st_size for path in paths)


def test_a_tree_of_given_months_holds_those_and_the_zones(tmp_path: Path) -> None:
    green = dataset_named("green")
    paths = write_tree(tmp_path, rows=200, months=[(green, Month(2024, 1)), (green, Month(2024, 2))])
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "trip-data/green_tripdata_2024-01.parquet",
        "trip-data/green_tripdata_2024-02.parquet",
        ZONES,
        SHAPES,
    ]
    assert pq.read_metadata(paths[0]).num_rows == 200


def test_importing_the_sample_imports_no_drivers() -> None:
    heavy = "{'pandas', 'pyarrow.parquet', 'pyarrow.compute', 'duckdb', 'dagster', 'httpx'}"
    program = f"import sys, taxi_assets.sample; sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", program], check=True)
