from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from taxi_assets.settings import Settings
from taxi_assets_tests.automation.world import World, records_on_disk
from taxi_assets_tests.source.cdn import serving
from taxi_assets_tests.stores.servers import new_database

from .looking import FIRST, LAST


@contextmanager
def a_world(folder: Path, postgres_url: str) -> Iterator[World]:
    """A world with a database of its own, since what no run loaded shows as well; `taxi` is at home in it."""
    with serving() as cdn, pytest.MonkeyPatch.context() as environment:
        variables = {
            "TAXI_HOME": str(folder),
            "TAXI_SOURCE": cdn.url,
            "TAXI_POSTGRES": new_database(postgres_url),
        }
        for variable, value in variables.items():
            environment.setenv(variable, value)
        settings = Settings.from_environment(variables)
        with records_on_disk(settings) as instance:
            yield World(cdn, instance, settings)


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> Iterator[World]:
    with a_world(tmp_path, postgres_url) as world:
        yield world


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[World]:
    """A world to look at only: months between the first and the last loaded one are missing."""
    with a_world(tmp_path_factory.mktemp("gap"), postgres_url) as world:
        for month in (FIRST, LAST):
            world.publish(month)
            assert world.load(month).success
        yield world
