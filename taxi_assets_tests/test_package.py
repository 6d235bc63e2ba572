"""What an installation brings: the package with its data and its license, no tests, and only pinned versions."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import taxi_assets

ROOT = Path(__file__).parent.parent
PACKAGE = Path(taxi_assets.__file__).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}
SHIPPED = {
    path.relative_to(PACKAGE.parent).as_posix()
    for path in PACKAGE.rglob("*")
    if path.is_file() and path.suffix != ".pyc"
}


def test_the_license_is_apache_2_and_its_text_is_there() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    [name] = PROJECT["license-files"]
    text = (ROOT / name).read_text()
    assert "Version 2.0, January 2004" in text
    assert "The taxi_assets authors" in text
    assert not [one for one in PROJECT["classifiers"] if one.startswith("License ::")]  # refused beside an expression


def test_every_file_of_the_package_that_is_no_module_is_declared_as_data() -> None:
    declared = {
        path.relative_to(PACKAGE.parent).as_posix()
        for package, patterns in PYPROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in PACKAGE.parent.joinpath(*package.split(".")).glob(pattern)
    }
    assert declared == {name for name in SHIPPED if not name.endswith(".py")}
    assert {"taxi_assets/py.typed", "taxi_assets/cli/dagster.yaml", "taxi_assets/report/page.html"} <= declared


def test_the_command_taxi_is_there_to_be_called() -> None:
    entry = metadata.EntryPoint("taxi", PROJECT["scripts"]["taxi"], "console_scripts")
    assert callable(entry.load())


def requirements(texts: list[str], extras: set[str]) -> Iterator[Requirement]:
    """Those that hold on this machine."""
    for requirement in map(Requirement, texts):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": one}) for one in extras | {""}):
            yield requirement


def installation_of(texts: list[str]) -> set[str]:
    """The distributions that pip installs for these requirements, each with its pin checked."""
    wanted = list(requirements(texts, set()))
    seen = set()
    while wanted:
        requirement = wanted.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if name == canonicalize_name(PROJECT["name"]):
            wanted += requirements([text for extra in extras for text in EXTRAS[extra]], set())
            continue
        if name == "setuptools":  # an environment of Python 3.11 comes with one, and that one does not run on 3.12
            continue
        assert name in PINS, f"constraints.txt lacks {requirement}"
        assert PINS[name] in requirement.specifier, f"constraints.txt: {PINS[name]} is not {requirement}"
        if (name, extras) not in seen:
            seen.add((name, extras))
            wanted += requirements(metadata.requires(name) or [], set(extras))
    return {name for name, _ in seen}


def test_everything_that_an_installation_brings_is_pinned_to_a_version_that_fits() -> None:
    everything = installation_of([*PROJECT["dependencies"], *EXTRAS["dev"]])
    assert {"dagster-celery", "dagster-gcp", "duckdb", "pandas", "pytest", "rich"} <= everything


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that pip makes of a copy of the checkout, so that nothing is left in it."""
    folder = tmp_path_factory.mktemp("wheel")
    leftovers = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "checkout", ignore=leftovers)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, folder / "checkout"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No matching distribution found for setuptools" in made.stderr:
        pytest.skip("pip finds no setuptools to build with: no package index")
    assert made.returncode == 0, made.stderr
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def in_info(wheel: zipfile.ZipFile, name: str) -> str:
    [path] = [one for one in wheel.namelist() if one.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_the_wheel_has_the_whole_package_and_no_tests(wheel: zipfile.ZipFile) -> None:
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == SHIPPED


@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    says: Message = Parser().parsestr(in_info(wheel, "METADATA"))
    assert says["License-Expression"] == "Apache-2.0"
    assert says["License-File"] == "LICENSE"
    assert "Typing :: Typed" in says.get_all("Classifier")
    assert "Apache License" in in_info(wheel, "licenses/LICENSE")
    assert "taxi = taxi_assets.cli.__main__:program" in in_info(wheel, "entry_points.txt")
