"""The map's outlines, from the sample's shapefile and from TLC's own."""

import re
from pathlib import Path

import pytest

from taxi_assets.errors import BadFile
from taxi_assets.report.charts import map_chart
from taxi_assets.report.shapes import ZoneShapes, read_shapes
from taxi_assets.report.zones import find_zones
from taxi_assets.sample import SampleSource
from taxi_assets.source import fetch_zone_shapes, fetch_zones, open_source
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets_tests.homes import REAL_FILES

ZONES = set(range(1, 264)) - {57, 104, 105}
SUBPATH = re.compile(r"M\d+ \d+l-?\d+[ -]\d+(?:[ -]\d+)+z")

real_files = pytest.mark.skipif(not REAL_FILES.exists(), reason="TLC's own files are not beside the project")


@pytest.fixture
def sample(tmp_path: Path) -> ZoneShapes:
    return read_shapes(SampleSource().fetch("misc/taxi_zones.zip", tmp_path).path)


def test_every_zone_that_has_a_shape_has_an_outline_and_a_name(sample: ZoneShapes) -> None:
    assert set(sample.outlines) == set(sample.names) == ZONES
    assert all(sample.outlines.values())
    assert sample.names[132] == "JFK Airport, Queens"


def test_zones_that_come_several_times_have_all_their_parts(sample: ZoneShapes) -> None:
    parts = {zone: outline.count("M") for zone, outline in sample.outlines.items()}
    assert (parts[1], parts[56], parts[103]) == (1, 2, 3)


@real_files
def test_the_real_zones_are_all_there_and_small(tmp_path: Path) -> None:
    shapes = read_shapes(REAL_FILES / "misc" / "taxi_zones.zip")
    assert set(shapes.outlines) == ZONES
    assert all(SUBPATH.match(outline) for outline in shapes.outlines.values())
    assert sum(map(len, shapes.outlines.values())) < 60_000
    assert shapes.names[132] == "JFK Airport, Queens"


@real_files
def test_the_map_shows_every_zone_with_its_trips() -> None:
    shapes = read_shapes(REAL_FILES / "misc" / "taxi_zones.zip")
    drawn = map_chart({132: 12_345, 74: 7}, shapes, shapes.names, 500).svg
    assert "<title>JFK Airport, Queens: 12,345 trips</title>" in drawn
    assert "<title>East Harlem North, Manhattan: 7 trips</title>" in drawn
    assert drawn.count('class="zone none"') == len(ZONES) - 2


def test_a_shapefile_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "taxi_zones.zip"
    path.write_bytes(b"PK")
    with pytest.raises(BadFile, match=r"taxi_zones\.zip has no zones that can be drawn"):
        read_shapes(path)


def test_the_lake_is_asked_before_the_source(tmp_path: Path) -> None:
    lake, nowhere = LocalLake(tmp_path / "lake"), open_source(str(tmp_path))
    assert find_zones(lake, nowhere, tmp_path).shapes is None
    assert find_zones(lake, SampleSource(), tmp_path / "new").shapes is not None
    lake.put_file("zones/raw_zone_shapes", fetch_zone_shapes(SampleSource(), tmp_path / "fetched"))
    assert find_zones(lake, nowhere, tmp_path).shapes is not None


def test_names_come_from_the_lookup_where_the_lake_has_it(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    assert find_zones(lake, SampleSource(), tmp_path).name(265) == "Zone 265"
    lake.put_file("zones/raw_zones", fetch_zones(SampleSource(), tmp_path / "fetched"))
    assert find_zones(lake, SampleSource(), tmp_path).name(265) == "Outside of NYC"
