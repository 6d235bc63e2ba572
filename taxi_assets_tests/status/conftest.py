import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from taxi_assets.settings import Settings
from taxi_assets_tests.automation.world import World, records_on_disk
from taxi_assets_tests.source.cdn import serving
from taxi_assets_tests.stores.servers import name_of_database, new_database

from .looking import FIRST, LAST


@contextmanager
def a_world(folder: Path, database: str) -> Iterator[World]:
    """A world with a database of its own, since what no run loaded shows as well; `taxi` is at home in it."""
    with serving() as cdn, pytest.MonkeyPatch.context() as environment:
        variables = {
            "TAXI_HOME": str(folder),
            "TAXI_SOURCE": cdn.url,
            "TAXI_POSTGRES": database,
        }
        for variable, value in variables.items():
            environment.setenv(variable, value)
        settings = Settings.from_environment(variables)
        with records_on_disk(settings) as instance:
            yield World(cdn, instance, settings)


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> Iterator[World]:
    with a_world(tmp_path, new_database(postgres_url)) as world:
        yield world


@dataclass(frozen=True)
class _Copyable:
    """A world that was left: its home, the name of its database, and the files on its server."""

    folder: Path
    database: str
    files: Mapping[str, tuple[bytes, str | None]]


@pytest.fixture(scope="session")
def _loaded_once(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> _Copyable:
    database = new_database(postgres_url)
    with a_world(tmp_path_factory.mktemp("loaded"), database) as world:
        world.publish(LAST)
        assert world.load(LAST).success
        return _Copyable(world.settings.home, name_of_database(database), dict(world.cdn.files))


@pytest.fixture
def loaded(tmp_path: Path, postgres_url: str, _loaded_once: _Copyable) -> Iterator[World]:
    """A world in which the last published month is loaded, and no other: a copy, in a tenth of a run's time."""
    shutil.copytree(_loaded_once.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    with a_world(tmp_path, new_database(postgres_url, _loaded_once.database)) as world:
        world.cdn.files.update(_loaded_once.files)
        yield world


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[World]:
    """A world to look at only: months between the first and the last loaded one are missing."""
    with a_world(tmp_path_factory.mktemp("gap"), new_database(postgres_url)) as world:
        for month in (FIRST, LAST):
            world.publish(month)
            assert world.load(month).success
        yield world
