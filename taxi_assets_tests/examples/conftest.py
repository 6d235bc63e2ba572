import importlib
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from taxi_assets_tests.conftest import environment

from .places import STORES, Place, place_of
from .runs import Runs

PROJECT = Path(__file__).parents[2] / "examples" / "weather"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project outside the checkout."""
    folder = tmp_path_factory.mktemp("weather") / "project"
    return shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture(scope="session")
def weather(project: Path) -> Iterator[ModuleType]:
    """The copy's module with the definitions."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BackfillPolicy is in beta
        patch.syspath_prepend(project)
        module = importlib.import_module("weather.definitions")
        assert Path(str(module.__file__)).is_relative_to(project)
        yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "weather"]:
        del sys.modules[name]


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = place_of(request.param, tmp_path, request)
    with environment(**place.environment):
        yield place


@pytest.fixture
def materialize(weather: ModuleType, place: Place) -> Runs:
    return Runs(weather)
