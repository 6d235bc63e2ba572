from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets_tests.automation.world import World
from taxi_assets_tests.status.conftest import a_world
from taxi_assets_tests.status.looking import FIRST, LAST
from taxi_assets_tests.stores.servers import new_database


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> Iterator[World]:
    with a_world(tmp_path, new_database(postgres_url)) as world:
        yield world


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[World]:
    """A world to look at only: two months are loaded, and two between them are published and missing."""
    with a_world(tmp_path_factory.mktemp("gap"), new_database(postgres_url)) as world:
        for month in (FIRST, LAST):
            world.publish(month)
            assert world.load(month).success
        yield world
