"""The floors: imports go down only, and what is heavy is imported late."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import taxi_assets
from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month
from taxi_assets.sample import write_month

PACKAGE = Path(taxi_assets.__file__).parent
FLOORS = (
    {"settings", "errors", "extras", "month", "raw_file"},
    {"catalog"},
    {"source", "sample", "cleaning", "stores", "report"},
    {"io_managers", "resources", "testing"},
    {"assets", "checks", "automation", "components", "jobs", "partitions"},
    {"cli", "definitions"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


WITHOUT_DAGSTER = [path for path in MODULES if FLOOR_OF[part_of(path)] <= 2]


def test_every_part_of_the_package_has_a_floor() -> None:
    assert {part_of(path) for path in MODULES} == set(FLOOR_OF)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    own = FLOOR_OF[part_of(path)]
    for name in imported_names(path):
        if name.startswith("taxi_assets."):
            part = name.split(".")[1]
            assert FLOOR_OF[part] <= own, f"{name} is on a higher floor"


@pytest.mark.parametrize("path", WITHOUT_DAGSTER, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_floors_that_do_the_work_do_not_know_dagster(path: Path) -> None:
    assert not any(name.partition(".")[0].startswith("dagster") for name in imported_names(path))


@pytest.mark.parametrize("folder", ["stores", "io_managers"])
def test_stores_and_io_managers_do_not_know_the_catalogue(folder: str) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        assert not any(name.startswith("taxi_assets.catalog") for name in imported_names(path)), path


def test_the_conformance_kit_knows_nothing_of_what_it_tests() -> None:
    for path in (PACKAGE / "testing").rglob("*.py"):
        own = {name for name in imported_names(path) if name.startswith("taxi_assets")}
        assert all(name.startswith("taxi_assets.testing.") for name in own), path


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    assert readers == {"settings/__init__.py", "testing/faults.py"}  # which hands all of it on to a process


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    program = (
        "import sys, taxi_assets.definitions; heavy = ('pandas', 'google', 'dagster_gcp', 'matplotlib', "
        "'adbc_driver_manager', 'psycopg', 'httpx'); print([one for one in heavy if one in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


def test_cleaning_a_month_into_the_lake_does_not_import_pandas(tmp_path: Path) -> None:
    """Arrow does by itself where it turns arrays into NumPy's and back, and makes every run wait for it."""
    write_month(dataset_named("green"), Month(2024, 1), tmp_path / "green.parquet", rows=100)
    program = """
import sys
from pathlib import Path
from taxi_assets.catalog import DEFAULT_RULES, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.base import TableSlice
folder = Path(sys.argv[1])
raw = RawFile(folder / "green.parquet", "", 0, "", None)
with cleaned_month(raw, dataset_named("green"), Month(2024, 1), DEFAULT_RULES, folder) as cleaned:
    for name in ("clean", "quarantine"):
        LocalLake(folder / "lake").replace(TableSlice(name, Month(2024, 1)), getattr(cleaned, name))
print("pandas" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program, tmp_path], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"


def test_a_page_is_made_without_pandas(tmp_path: Path) -> None:
    """Of a month's assets only the daily summary, which is there to be a DataFrame, takes the time to import it."""
    write_month(dataset_named("green"), Month(2024, 1), tmp_path / "green.parquet", rows=200)
    program = """
import sys
from pathlib import Path
from taxi_assets.catalog import DEFAULT_RULES, dataset_named
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.report import find_zones, markdown, month_report, page
from taxi_assets.source import open_source
from taxi_assets.stores.lake.folder.store import LocalLake
folder, green, january = Path(sys.argv[1]), dataset_named("green"), Month(2024, 1)
zones = find_zones(LocalLake(folder / "lake"), open_source("sample"), folder)
raw = RawFile(folder / "green.parquet", "", 0, "", None)
with cleaned_month(raw, green, january, DEFAULT_RULES, folder) as cleaned:
    report = month_report(green, january, cleaned.clean, cleaned.quarantine, folder, year_before=None, zones=zones)
assert "Where trips begin" in page(report, report.charts)
assert markdown(report.charts)
print("pandas" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", program, tmp_path], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"
