from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.definitions import assets_and_checks
from taxi_assets.settings import Settings
from taxi_assets_tests.source.cdn import Cdn, serving

from .webhooks import ALERT_SENSORS, SECRET, Webhook, listening
from .world import World, records_on_disk


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with serving() as cdn:
        yield cdn


@pytest.fixture
def settings(tmp_path: Path, cdn: Cdn, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TAXI_POSTGRES", postgres_url)
    return Settings.from_environment(
        {"TAXI_HOME": str(tmp_path), "TAXI_SOURCE": cdn.url, "TAXI_POSTGRES": postgres_url}
    )


@pytest.fixture
def world(cdn: Cdn, settings: Settings) -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:  # which takes a third less time than records on a disk
        yield World(cdn, instance, settings)


@pytest.fixture
def world_on_disk(cdn: Cdn, settings: Settings) -> Iterator[World]:
    """One whose records other processes see."""
    with records_on_disk(settings) as instance:
        yield World(cdn, instance, settings)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as hook:
        yield hook


@pytest.fixture
def alarmed(world: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with a webhook, and with a Postgres that does not answer and has a password."""
    variables = {
        "TAXI_HOME": str(world.settings.home),
        "TAXI_SOURCE": world.cdn.url,
        "TAXI_POSTGRES": f"postgresql://taxi:{SECRET.replace(' ', '%20')}@127.0.0.1:9/taxi",
        "TAXI_ALERT_WEBHOOK": webhook.url,
        "TAXI_UI_URL": "https://dagster.example.org/",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    world.settings = Settings.from_environment(variables)
    monkeypatch.setattr("taxi_assets.io_managers.common.RETRIES", 0)
    monkeypatch.setattr("taxi_assets.definitions.assets_and_checks", assets_and_checks.__wrapped__)  # uncached
    for sensor in ALERT_SENSORS:
        assert world.tick(sensor) == ([], "initialized: alerts cover failures from now on")
    return world
