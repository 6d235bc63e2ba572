from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.settings import Settings
from taxi_assets_tests.source.cdn import Cdn, serving

from .world import World


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with serving() as cdn:
        yield cdn


@pytest.fixture
def world(tmp_path: Path, cdn: Cdn, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("TAXI_POSTGRES", postgres_url)
    settings = Settings.from_environment(
        {"TAXI_HOME": str(tmp_path), "TAXI_SOURCE": cdn.url, "TAXI_POSTGRES": postgres_url}
    )
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").touch()
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield World(cdn, instance, settings)
