from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.settings import Settings
from taxi_assets_tests.source.cdn import Cdn, serving

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
