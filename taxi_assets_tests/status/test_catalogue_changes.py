"""Months that were cleaned by an earlier version of the catalogue, as `taxi status` and Dagster's UI see them."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pyarrow as pa
import pytest

from taxi_assets.catalog import RULES, Column, Field, Layer
from taxi_assets.cli.status.staleness import RecordedVersions
from taxi_assets.definitions import assets_and_checks, build_definitions
from taxi_assets.month import Month
from taxi_assets_tests.automation.world import GREEN, World
from taxi_assets_tests.stores.servers import new_database

from .conftest import a_world
from .looking import EVERYWHERE, FIRST, SECOND, THIRD, document, everywhere, make, states, taxi

pytestmark = pytest.mark.slow  # for the world that they share

CLEAN = dg.AssetKey(GREEN.key(Layer.CLEAN))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[World]:
    """A world to look at only: two months cleaned by the default rules, and between them one by others."""
    with a_world(tmp_path_factory.mktemp("changes"), new_database(postgres_url)) as world:
        for month in (FIRST, SECOND, THIRD):
            world.publish(month)
        assert world.load(FIRST).success
        config = {"ops": {"green__clean_trips": {"config": {"rules": ["no_distance"]}}}}
        assert world.load(SECOND, **config).success
        assert world.load(THIRD).success
        yield world


def set_predicate(monkeypatch: pytest.MonkeyPatch, name: str, predicate: str) -> None:
    """Change one rule of the catalogue, as a commit does."""
    rules = tuple(replace(rule, predicate=predicate) if rule.name == name else rule for rule in RULES)
    monkeypatch.setattr("taxi_assets.catalog.rules.RULES", rules)
    monkeypatch.setattr("taxi_assets.assets.code_versions.RULES", rules)
    monkeypatch.setattr("taxi_assets.definitions.assets_and_checks", assets_and_checks.__wrapped__)  # uncached


def why(month: str) -> dict[str, list[str]]:
    """Store -> the reasons for which the month of green is stale there."""
    slices = document("status", "green", month)["slices"]
    return {one["store"]: one["why"] for one in slices if one["why"]}


def in_stores(reason: str, *stores: str) -> dict[str, list[str]]:
    return {store: [reason] for store in stores}


def test_nothing_is_stale_as_long_as_the_catalogue_is_the_same(loaded: World) -> None:
    for month in (FIRST, SECOND, THIRD):
        assert states(month) == everywhere("loaded")
        assert why(month) == {}


def test_another_bound_of_a_rule_makes_the_months_stale_that_it_was_applied_to(
    loaded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_predicate(monkeypatch, "impossible_distance", "{distance} < 0 OR {distance} > 400")
    assert why(FIRST) == why(THIRD) == in_stores("rules changed", *EVERYWHERE)
    assert why(SECOND) == {}
    shown = taxi("status", "green", f"{FIRST}..{THIRD}")
    assert f"green {FIRST} stale (rules changed): taxi run green {FIRST}" in shown.stdout.splitlines()
    assert shown.exit_code == 1


def test_a_month_that_was_cleaned_by_other_rules_is_compared_by_its_own(
    loaded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_predicate(monkeypatch, "no_distance", "coalesce({distance}, 0) <= 0.1")
    assert why(SECOND) == in_stores("rules changed", *EVERYWHERE)
    assert why(FIRST) == why(THIRD) == {}
    [problem] = document("status", "green", SECOND)["problems"]
    assert problem["next"] == f"taxi run green {SECOND} --rules unreadable_value,no_distance"


def test_a_column_that_an_era_adds_makes_only_its_months_stale(loaded: World) -> None:
    source = Column("request_source", pa.int16(), "How the trip was asked for.")
    added = [Field("request_source", pa.int64(), "request_source")]
    era = GREEN.eras[-1].then(SECOND, added=added)
    other = replace(GREEN, columns=(*GREEN.columns, source), eras=(*GREEN.eras, era))
    recorded = RecordedVersions(loaded.instance, other)
    changes = {month: recorded.changes("lake", Month.parse(month)) for month in (FIRST, SECOND, THIRD)}
    assert changes == {FIRST: (), SECOND: ("columns changed",), THIRD: ("columns changed",)}


def stale_causes(world: World, month: str) -> dict[str, list[str]]:
    """Layer -> why the month is stale in the UI."""
    from dagster._core.definitions.data_version import CachingStaleStatusResolver
    from dagster._core.loader import LoadingContextForTest

    graph = build_definitions(world.settings).get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(world.instance, graph, LoadingContextForTest(world.instance))
    layers = (Layer.RAW, Layer.CLEAN, Layer.QUARANTINE, Layer.POSTGRES, Layer.WAREHOUSE)
    found = {layer: resolver.get_stale_causes(dg.AssetKey(GREEN.key(layer)), month) for layer in layers}
    return {layer: [cause.reason for cause in causes] for layer, causes in found.items() if causes}


def test_the_ui_marks_what_cleaning_makes(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stale_causes(loaded, FIRST) == {}
    set_predicate(monkeypatch, "impossible_distance", "{distance} < 0 OR {distance} > 400")
    cleaned = (Layer.CLEAN, Layer.QUARANTINE)
    assert stale_causes(loaded, FIRST) == {layer: ["has a new code version"] for layer in cleaned}


def test_a_month_that_was_loaded_again_is_fresh_and_its_tables_follow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish(FIRST)
    assert world.load(FIRST).success
    set_predicate(monkeypatch, "impossible_distance", "{distance} < 0 OR {distance} > 400")
    world = World(world.cdn, world.instance, world.settings)  # with definitions of the changed catalogue
    make(world, FIRST, Layer.QUARANTINE, Layer.DIFF, Layer.CLEAN)
    assert why(FIRST) == in_stores("rules changed", "postgres", "warehouse")
    assert set(stale_causes(world, FIRST)) == {Layer.POSTGRES, Layer.WAREHOUSE}
    make(world, FIRST, Layer.POSTGRES, Layer.WAREHOUSE)
    assert states(FIRST) == everywhere("loaded")
    assert stale_causes(world, FIRST) == {}


def test_a_month_of_a_release_without_versions_is_not_stale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(FIRST)
    monkeypatch.setattr("taxi_assets.cleaning.clean.version_provenance", lambda *_: {})
    assert world.load(FIRST).success
    set_predicate(monkeypatch, "impossible_distance", "{distance} < 0 OR {distance} > 400")
    assert states(FIRST) == everywhere("loaded")
