from pathlib import Path

import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.errors import InvalidRequest, NotPublished, SourceUnavailable
from taxi_assets.month import Month
from taxi_assets.sample.zone_shapes import write_zone_shapes
from taxi_assets.source import fetch_month, fetch_zone_shapes, fetch_zones, open_source, published_months
from taxi_assets.source.files import last_published
from taxi_assets.source.http import HttpSource

from .cdn import Answer, Cdn
from .failing import failing

GREEN = dataset_named("green")
FHVHV = dataset_named("fhvhv")


def month(text: str) -> Month:
    return Month.parse(text)


def test_a_month_is_fetched_by_its_name_on_the_cdn(cdn: Cdn, source: HttpSource, inbox: Path, trips: bytes) -> None:
    cdn.put("trip-data/green_tripdata_2024-01.parquet", trips)
    reported: list[str] = []
    file = fetch_month(source, GREEN, month("2024-01"), inbox, lambda name, *_: reported.append(name))
    assert file.path == inbox / "green_tripdata_2024-01.parquet"
    assert set(reported) == {"green_tripdata_2024-01.parquet"}


def test_the_zones_are_fetched_by_their_name_on_the_cdn(
    cdn: Cdn, source: HttpSource, inbox: Path, zones: bytes
) -> None:
    cdn.put("misc/taxi_zone_lookup.csv", zones)
    reported: list[str] = []
    assert fetch_zones(source, inbox, lambda name, *_: reported.append(name)).rows == 3
    assert set(reported) == {"taxi_zone_lookup.csv"}


def test_the_shapes_are_fetched_by_their_name_on_the_cdn(
    cdn: Cdn, source: HttpSource, inbox: Path, tmp_path: Path
) -> None:
    write_zone_shapes(tmp_path / "made.zip")
    cdn.put("misc/taxi_zones.zip", (tmp_path / "made.zip").read_bytes())
    reported: list[str] = []
    assert fetch_zone_shapes(source, inbox, lambda name, *_: reported.append(name)).rows == 263
    assert set(reported) == {"taxi_zones.zip"}


def test_a_month_before_the_first_is_not_asked_for(cdn: Cdn, source: HttpSource, inbox: Path) -> None:
    with failing(InvalidRequest, "green begins with 2014-01", inbox=inbox):
        fetch_month(source, GREEN, month("2013-12"), inbox)
    assert cdn.requests == []


def test_a_month_that_is_not_out_is_reported_with_the_last_that_is(cdn: Cdn, source: HttpSource, inbox: Path) -> None:
    cdn.put("trip-data/green_tripdata_2023-11.parquet", b"")
    text = f"^{cdn.url} has not published green 2024-02: the last month before it is 2023-11; a month comes out"
    with failing(NotPublished, text, inbox=inbox):
        fetch_month(source, GREEN, month("2024-02"), inbox)


def test_a_source_without_any_month_is_reported(cdn: Cdn, source: HttpSource, inbox: Path) -> None:
    text = f"^{cdn.url} has not published green 2024-02, nor any month shortly before it; check the source's address$"
    with failing(NotPublished, text, inbox=inbox):
        fetch_month(source, GREEN, month("2024-02"), inbox)


def test_a_source_that_breaks_down_while_it_is_asked_for_the_last_month_hides_nothing(
    cdn: Cdn, source: HttpSource, inbox: Path
) -> None:
    cdn.will(Answer(status=403), *[Answer(status=500)] * 3)
    with failing(NotPublished, "has not published green 2024-02; try again later$", inbox=inbox):
        fetch_month(source, GREEN, month("2024-02"), inbox)


@pytest.mark.parametrize("ending", [".csv.gz", ".csv", ".CSV.GZ"])
def test_a_folder_with_the_month_as_csv_reports_that_the_format_is_parquet(
    tmp_path: Path, inbox: Path, ending: str
) -> None:
    (tmp_path / "course/trip-data").mkdir(parents=True)
    (tmp_path / f"course/trip-data/green_tripdata_2020-10{ending}").write_bytes(b"VendorID\n")
    text = (
        rf"has not published green 2020-10 as Parquet: it has green_tripdata_2020-10{ending}, in the format that TLC"
        r" gave up.*put green_tripdata_2020-10\.parquet there, or take it from TLC itself \(--source https://"
    )
    with failing(NotPublished, text, inbox=inbox):
        fetch_month(open_source(str(tmp_path / "course")), GREEN, month("2020-10"), inbox)


def test_the_last_month_is_looked_for_backwards(cdn: Cdn, source: HttpSource) -> None:
    cdn.put("trip-data/green_tripdata_2023-10.parquet", b"")
    cdn.put("trip-data/green_tripdata_2023-11.parquet", b"")
    assert last_published(source, GREEN, before=month("2024-02")) == month("2023-11")
    assert [request.path[-15:-8] for request in cdn.requests] == ["2024-01", "2023-12", "2023-11"]
    assert {request.method for request in cdn.requests} == {"HEAD"}


def test_the_last_month_is_looked_for_in_36_months_at_most(cdn: Cdn, source: HttpSource) -> None:
    assert last_published(source, GREEN, before=month("2024-02")) is None
    assert len(cdn.requests) == 36
    assert cdn.requests[-1].path == "trip-data/green_tripdata_2021-02.parquet"


def test_the_last_month_is_not_looked_for_before_the_first(cdn: Cdn, source: HttpSource) -> None:
    assert last_published(source, FHVHV, before=month("2019-04")) is None
    assert [request.path[-15:-8] for request in cdn.requests] == ["2019-03", "2019-02"]
    assert last_published(source, FHVHV, before=month("2019-02")) is None


def test_a_month_far_in_the_future_is_looked_for_from_today(cdn: Cdn, source: HttpSource) -> None:
    two_months_ago = Month.current().plus(-2)
    cdn.put(f"trip-data/green_tripdata_{two_months_ago}.parquet", b"")
    assert last_published(source, GREEN, before=month("2999-01")) == two_months_ago
    assert len(cdn.requests) <= 4  # one more where a month begins in the meantime


def test_a_real_folder_is_a_source(tlc: Path, inbox: Path) -> None:
    folder = open_source(str(tlc))
    assert fetch_month(folder, GREEN, month("2023-02"), inbox).rows == 64_809
    assert fetch_zones(folder, inbox).rows == 265
    with pytest.raises(NotPublished, match=r"file:///.* green 2022-06: the last month before it is 2022-03"):
        fetch_month(folder, GREEN, month("2022-06"), inbox)


def test_a_folder_lists_the_months_that_it_has_with_the_gaps_between_them(tmp_path: Path) -> None:
    (tmp_path / "trip-data").mkdir()
    for name in ("green_tripdata_2014-01", "green_tripdata_2022-03", "fhvhv_tripdata_2022-04"):
        (tmp_path / "trip-data" / f"{name}.parquet").touch()
    assert published_months(open_source(str(tmp_path)), GREEN) == {month("2014-01"), month("2022-03")}


def test_a_folder_that_is_not_laid_out_like_the_cdn_lists_no_months(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="trip-data"):
        published_months(open_source(str(tmp_path)), GREEN)


def test_a_server_is_taken_to_have_every_month_up_to_its_last(cdn: Cdn, source: HttpSource) -> None:
    assert published_months(source, GREEN) == set()
    last = Month.current().plus(-3)
    cdn.put(f"trip-data/green_tripdata_{last}.parquet", b"")
    assert published_months(source, GREEN) == set(GREEN.first_month.until(last))
