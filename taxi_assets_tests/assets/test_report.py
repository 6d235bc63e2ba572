"""The page and the zones' shapes as assets."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import dagster as dg
import pytest

from taxi_assets.assets.month_pages import PICTURES
from taxi_assets.sample import write_tree
from taxi_assets.settings import Settings
from taxi_assets.stores.factory import dsn_of

from .conftest import MONTH, Project

PAGE = ("green/raw_trips", "green/clean_trips", "green/quarantined_trips", "green/version_diff", "green/report")


def metadata_of(result: dg.ExecuteInProcessResult, key: str) -> dict[str, dg.MetadataValue]:
    [event] = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey.from_user_string(key)
    ]
    return dict(event.materialization.metadata)


def test_the_page_is_a_file_in_the_lake_and_its_pictures_are_in_the_ui(project: Project) -> None:
    facts = metadata_of(project.run("green_trips_job", MONTH, *PAGE), "green/report")
    path = Path(unquote(urlsplit(str(facts["dagster/uri"].value)).path))
    assert path == Path(project.settings.lake) / "green" / "report" / "green_trips_2024-01.html"
    html = path.read_text(encoding="utf-8")
    assert "<h1>Green taxi trips, January 2024</h1>" in html
    assert facts["taxi/bytes"].value == len(html.encode())
    assert isinstance(facts[PICTURES], dg.MarkdownMetadataValue)
    assert str(facts[PICTURES].value).count("data:image/svg+xml;base64,") == html.count("<h2>") - 2
    assert sum(len(str(fact.value)) for fact in facts.values()) < 200_000


def test_the_page_is_loaded_as_a_file(project: Project) -> None:
    project.run("green_trips_job", MONTH, *PAGE)
    found = project.definitions.load_asset_value(["green", "report"], python_type=Path, partition_key=MONTH)
    assert found.name == "green_trips_2024-01.html"


def test_the_page_knows_the_year_before_once_that_is_loaded(project: Project) -> None:
    project.run("green_trips_job", "2023-01", *PAGE[:-1])
    project.run("green_trips_job", MONTH, *PAGE)
    page = Path(project.settings.lake) / "green" / "report" / "green_trips_2024-01.html"
    assert "the same weekday of January 2023" in page.read_text()


def test_the_shapes_are_kept_as_they_are_published(project: Project) -> None:
    facts = metadata_of(project.run("taxi_zones_job", None, "zones/raw_zone_shapes"), "zones/raw_zone_shapes")
    assert facts["taxi/source_url"].value == "sample/misc/taxi_zones.zip"
    assert facts["dagster/partition_row_count"].value == 263


def test_a_source_without_shapes_leaves_the_zones_and_the_pages_as_they_are(
    project: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_tree(tmp_path / "source", rows=200, months=[])
    (tmp_path / "source" / "misc" / "taxi_zones.zip").unlink()
    variables = {
        "TAXI_HOME": str(tmp_path / "home"),
        "TAXI_SOURCE": str(tmp_path / "source"),
        "TAXI_POSTGRES": dsn_of(project.settings.postgres),
    }
    bare = Project(Settings.from_environment(variables), project.instance)
    result = bare.run("taxi_zones_job", None, "zones/raw_zones", "zones/raw_zone_shapes")
    made = [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]
    assert made == ["zones/raw_zones"]
    assert "no zone shapes, so report pages will have no map" in capfd.readouterr().err
