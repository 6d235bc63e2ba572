"""What the source has, as events of the external asset: published, loaded, stale and unpublished months apart."""

import json
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._utils.test.data_versions import get_stale_status_resolver

from taxi_assets import month as calendar
from taxi_assets.automation import observed_files
from taxi_assets.catalog import Layer
from taxi_assets.sample import write_tree
from taxi_assets_tests.source.cdn import Answer

from .world import GREEN, World

SENSOR = "green_trips_published"
PUBLISHED = dg.AssetKey(["tlc", "green_tripdata"])
RAW = dg.AssetKey(GREEN.key(Layer.RAW))
JUNE, JULY, AUGUST = "2026-06", "2026-07", "2026-08"


@pytest.fixture(autouse=True)
def it_is_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "now", lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))


def observe_everything(world: World) -> None:
    """Tick until the whole history was looked at."""
    while world.cursor(SENSOR).get("observed") != str(calendar.Month.parse(world.cursor(SENSOR)["next"]).plus(-1)):
        world.tick(SENSOR)


def observations(world: World, month: str) -> list[str]:
    """The versions that were observed of the month, oldest first."""
    wanted = dg.AssetRecordsFilter(asset_key=PUBLISHED, asset_partitions=[month])
    records = world.instance.fetch_observations(wanted, limit=100, ascending=True).records
    return [record.asset_observation.tags["dagster/data_version"] for record in records if record.asset_observation]


def is_stale(world: World, month: str) -> bool:
    """Whether the UI shows the raw file of the month as out of date."""
    repository = world.definitions.get_repository_def()
    resolver = get_stale_status_resolver(world.instance, repository.assets_defs_by_key.values())
    return resolver.get_status(RAW, month).value == "STALE"


@pytest.mark.slow
def test_published_loaded_stale_and_unpublished_months_are_apart(world: World) -> None:
    for month in (JUNE, JULY):
        world.publish(month)
    for month in (JUNE, JULY):
        assert world.load(month).success
    world.tick(SENSOR)
    observe_everything(world)
    world.publish(AUGUST)
    world.publish(JUNE, etag='"second"', rows=150)
    world.tick(SENSOR)
    assert world.instance.get_materialized_partitions(PUBLISHED) == {JUNE, JULY, AUGUST}
    assert world.instance.get_materialized_partitions(RAW) == {JUNE, JULY}
    assert [is_stale(world, month) for month in (JUNE, JULY)] == [True, False]
    assert world.load(JUNE).success
    assert not is_stale(world, JUNE)


@pytest.mark.slow
def test_a_version_is_observed_once(world: World) -> None:
    world.publish(JULY)
    world.tick(SENSOR)
    observe_everything(world)
    world.publish(AUGUST)
    for _ in range(2):
        world.tick(SENSOR)
        assert world.load(JULY).success
    assert observations(world, JULY) == observations(world, AUGUST) == ['"first"']
    world.publish(JULY, etag='"second"', rows=150)
    for _ in range(3):
        world.tick(SENSOR)
    assert world.load(JULY).success
    world.tick(SENSOR)
    assert observations(world, JULY) == ['"first"', '"second"']


@pytest.mark.slow
def test_a_file_with_another_etag_and_the_same_bytes_makes_nothing_stale(world: World) -> None:
    world.publish(JULY)
    assert world.load(JULY).success
    world.tick(SENSOR)
    world.publish(JULY, etag='"touched"')
    for _ in range(3):
        world.tick(SENSOR)
    observe_everything(world)
    assert not is_stale(world, JULY)


@pytest.mark.slow
@pytest.mark.parametrize("observed_before", [False, True])
def test_a_month_that_is_loaded_before_it_is_observed_is_not_stale_afterwards(
    world: World, observed_before: bool
) -> None:
    world.publish(JULY)
    if observed_before:  # another month, so that the asset has events
        world.publish(JUNE)
        assert world.load(JUNE).success
    assert world.load(JULY).success
    world.tick(SENSOR)
    observe_everything(world)
    assert not is_stale(world, JULY)
    assert observations(world, JULY) == ['"first"']


@pytest.mark.slow
def test_the_history_is_looked_at_over_several_ticks_and_once(world: World) -> None:
    months = list(map(str, GREEN.first_month.until(calendar.Month.parse(JULY))))
    for month in months:
        world.cdn.put(f"trip-data/green_tripdata_{month}.parquet", b"", f'"{month}"')
    world.tick(SENSOR)
    asked = []
    while world.cursor(SENSOR)["observed"] != JULY:
        before = len(world.cdn.requests)
        assert world.tick(SENSOR)[0] == []
        asked.append(len(world.cdn.requests) - before)
    assert len(asked) >= 3
    assert max(asked) <= observed_files.HISTORY_MONTHS_A_TICK + 1
    assert world.instance.get_materialized_partitions(PUBLISHED) == set(months)
    before = len(world.cdn.requests)
    world.tick(SENSOR)
    assert len(world.cdn.requests) == before + 1  # whether the next month is out


def test_a_source_that_goes_down_within_the_history_is_asked_for_the_rest_later(world: World) -> None:
    world.publish(JULY)
    world.tick(SENSOR)
    before = world.cursor(SENSOR)["observed"]
    world.cdn.failing.add(f"trip-data/green_tripdata_{calendar.Month.parse(before).plus(5)}.parquet")
    _, told = world.tick(SENSOR)
    assert "does not answer; the next tick asks it again" in (told or "")
    assert world.cursor(SENSOR)["observed"] == str(calendar.Month.parse(before).plus(4))
    world.cdn.failing.clear()
    observe_everything(world)
    assert observations(world, JULY) == ['"first"']


def test_a_tick_whose_source_is_down_does_not_look_at_the_history(world: World) -> None:
    world.publish(JULY)
    world.tick(SENSOR)
    before = world.cursor(SENSOR)["observed"]
    world.cdn.will(*[Answer(status=503)] * 100)
    requests = len(world.cdn.requests)
    world.tick(SENSOR)
    assert world.cursor(SENSOR)["observed"] == before
    assert len(world.cdn.requests) - requests <= 3


def test_the_cursor_of_an_older_release_gets_the_history(world: World) -> None:
    world.publish(JULY)
    world.cursors[SENSOR] = json.dumps({"next": AUGUST, "checked": "", "seen": {}})
    world.tick(SENSOR)
    observe_everything(world)
    assert observations(world, JULY) == ['"first"']


@pytest.mark.parametrize("kind", ["sample", "folder"])
def test_a_folder_and_the_sample_are_observed_as_well(world: World, kind: str, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("mirror")
    source = "sample"
    if kind == "folder":
        write_tree(folder, rows=100, months=[(GREEN, GREEN.first_month), (GREEN, calendar.Month.parse("2025-12"))])
        source = str(folder)
    world.settings = type(world.settings).from_environment(
        {"TAXI_HOME": str(world.settings.home), "TAXI_SOURCE": source, "TAXI_POSTGRES": "postgresql://127.0.0.1/none"}
    )
    world.tick(SENSOR)
    observe_everything(world)
    found = world.instance.get_materialized_partitions(PUBLISHED)
    assert found == ({"2014-01", "2025-12"} if kind == "folder" else {str(one) for one in all_months()})


def all_months() -> list[calendar.Month]:
    return list(GREEN.first_month.until(calendar.Month.parse("2025-12")))


def test_no_password_of_the_source_is_in_an_event(world: World) -> None:
    world.publish(JULY)
    url = world.cdn.url.replace("://", "://me:hush-hush@")
    world.settings = type(world.settings).from_environment(
        {"TAXI_HOME": str(world.settings.home), "TAXI_SOURCE": url, "TAXI_POSTGRES": "postgresql://127.0.0.1/none"}
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TAXI_SOURCE", url)
        world.tick(SENSOR)
        observe_everything(world)
    [record] = world.instance.fetch_observations(PUBLISHED, limit=100).records
    assert record.asset_observation is not None
    assert record.asset_observation.metadata["taxi/source_url"].value.startswith(world.cdn.url)
    assert record.asset_observation.metadata["taxi/bytes"].value > 0
    assert "hush-hush" not in str(record)


def test_no_job_nor_catch_up_materializes_what_tlc_publishes(world: World) -> None:
    graph = world.definitions.resolve_asset_graph()
    assert PUBLISHED in graph.external_asset_keys
    for name in ("green_trips_job", "green_trips_checks_job"):
        assert PUBLISHED not in world.definitions.resolve_job_def(name).asset_layer.executable_asset_keys
    assert graph.get(RAW).parent_keys == {PUBLISHED}
    assert graph.get(RAW).automation_condition is None
