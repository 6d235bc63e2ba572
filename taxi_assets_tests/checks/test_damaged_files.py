"""A damaged file costs the month that it is of, is named, and costs no other month anything."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.automation.run_errors import failed_checks
from taxi_assets.catalog import Layer
from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets_tests.homes import LAKE_LAYERS, Home
from taxi_assets_tests.stores.servers import new_database

MONTHS = ("2023-01", "2023-12", "2024-01")
MONTH = "2024-01"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Home:
    """The month before, the year before and the month itself in a lake."""
    home = Home(tmp_path_factory.mktemp("home"), TAXI_SOURCE="sample", TAXI_POSTGRES=new_database(postgres_url))
    for month in MONTHS:
        assert made(home, month, *LAKE_LAYERS).success
    return home


@pytest.fixture
def home(loaded: Home) -> Iterator[Home]:
    """The same, put right again after each test."""
    lake, kept = Path(loaded.settings.lake), loaded.folder / "kept"
    shutil.copytree(lake, kept, symlinks=True)
    yield loaded
    shutil.rmtree(lake)
    kept.rename(lake)


def made(home: Home, month: str, *layers: Layer) -> dg.ExecuteInProcessResult:
    return home.execute("green_trips_job", month, *(f"green/{layer}" for layer in layers))


def file_of(home: Home, layer: Layer, month: str) -> Path:
    """The month's file in that layer of the lake."""
    folder = Path(home.settings.lake, "green", layer)
    [file] = [*folder.glob(f"*_{month}.parquet"), *folder.glob(f"month={month}/*.parquet")]
    return file.resolve()


def cut(path: Path) -> None:
    os.truncate(path, 1000)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def with_another_footer(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-200] + bytes(range(192)) + whole[-8:])


def spoiled_within(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + bytes(range(250)) * 20 + whole[5_050:])


DAMAGES = [cut, emptied, overwritten, with_another_footer]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [*DAMAGES, spoiled_within], ids=lambda one: one.__name__)
def test_damaged_neighbours_are_named_and_this_month_is_loaded(home: Home, damage) -> None:
    named = [file_of(home, Layer.RAW, "2023-12"), *(file_of(home, Layer.CLEAN, one) for one in ("2023-12", "2023-01"))]
    for path in named:
        damage(path)
    result = made(home, MONTH, *LAKE_LAYERS, Layer.REPORT)
    assert result.success
    told = "\n".join(map(str, failed_checks(result.all_events, dg.AssetCheckSeverity.WARN)))
    if damage is not spoiled_within:  # which no comparison of footers notices
        assert str(named[0]) in told
        assert str(named[1]) in told
        assert "taxi run green 2023-12" in told


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("layer", [Layer.RAW, Layer.CLEAN, Layer.QUARANTINE])
def test_commands_about_a_damaged_month_end_in_a_sentence_that_names_the_file(home: Home, layer: Layer, damage) -> None:
    path = file_of(home, layer, MONTH)
    damage(path)
    explained = home.taxi("explain", "green", MONTH, "1")
    assert explained.returncode == 1
    assert explained.stderr.startswith("Error: ")
    assert path.name in explained.stderr
    assert "taxi run green 2024-01" in explained.stderr
    assert made(home, MONTH, *LAKE_LAYERS).success, "and the month can be loaded again"


def test_a_check_of_a_damaged_month_names_the_file(home: Home) -> None:
    path = file_of(home, Layer.CLEAN, MONTH)
    cut(path)
    checked = home.taxi("check", "green", MONTH)
    assert checked.returncode == 1
    assert f"SliceDamaged: {path} cannot be read" in checked.stdout


def test_damaged_zones_cost_a_page_its_map_and_not_the_month(home: Home) -> None:
    folder = Path(home.settings.lake) / "zones"
    for name in ("raw_zones/taxi_zone_lookup.csv", "raw_zone_shapes/taxi_zones.zip"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"LocationID\n\xff\xfe")
    assert made(home, MONTH, Layer.REPORT).success


def test_a_lake_says_of_a_file_that_cannot_be_read_what_it_is(tmp_path: Path) -> None:
    lake, piece = LocalLake(tmp_path), TableSlice("clean/sales", Month(2024, 1))
    path = tmp_path / "clean" / "sales" / "month=2024-01" / "sales.parquet"
    path.parent.mkdir(parents=True)
    with pytest.raises(SliceMissing):
        lake.read(piece.table, [Month(2024, 1)])
    path.write_bytes(b"")
    for look in (
        lambda: lake.read(piece.table, [Month(2024, 1)]),
        lambda: lake.count(piece),
        lambda: lake.row(piece, {"source_row": 1}),
    ):
        with pytest.raises(SliceDamaged, match=r"sales\.parquet cannot be read \(.+\): materialize it again"):
            look()
