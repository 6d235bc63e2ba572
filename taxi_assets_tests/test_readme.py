"""What the README says exists, and its examples run."""

import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from taxi_assets import settings
from taxi_assets.assets.specs import complete_specs
from taxi_assets.catalog import RULES
from taxi_assets.cli.main import main
from taxi_assets.definitions import build_definitions
from taxi_assets.month import Month
from taxi_assets.settings import Settings
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.rows import Rows

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CLEANED = ("green/raw_trips", "green/clean_trips", "green/quarantined_trips", "green/version_diff")


def code(document: str, marker: str) -> str:
    """The Python block that contains the marker."""
    return next(block for block in re.findall(r"```python\n(.*?)```", document, re.S) if marker in block)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", README + CONTRIBUTING, re.M))))
def test_every_make_target_in_the_readme_exists(target: str) -> None:
    asked = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?:bin/|`)taxi ([a-z]+)", README))))
def test_every_taxi_command_in_the_readme_exists(command: str) -> None:
    assert command in main.commands


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_taxi_command_says_what_it_does(command: str) -> None:
    assert main.commands[command].help


def test_the_readme_has_every_variable_that_the_settings_read_and_no_other() -> None:
    read = set(re.findall(r'"(TAXI_[A-Z]+)"', Path(settings.__file__).read_text()))
    assert set(re.findall(r"`(TAXI_[A-Z]+)`", README)) == read


def test_the_readme_has_every_rule_with_its_default_and_its_words() -> None:
    for rule in RULES:
        default = "on" if rule.default else "off"
        assert f"| `{rule.name}` | {default} | {rule.description} |" in README


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./-]+(?:/|\.py|\.md))`", CONTRIBUTING))))
def test_every_file_that_a_recipe_names_exists(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "taxi_assets" / path).exists()


def example(name: str) -> dg.AssetsDefinition:
    """The asset of that name, made by the README's code."""
    space: dict[str, object] = {}
    exec(code(README, f"def {name}"), space)  # noqa: S102 - it is the README's own example
    asset = space[name]
    assert isinstance(asset, dg.AssetsDefinition)
    return asset


def with_own(home: Path, asset: dg.AssetsDefinition) -> dg.Definitions:
    """The definitions in a new home, with the asset in the list, as the README says."""
    own = Settings.from_environment({"TAXI_HOME": str(home), "TAXI_SOURCE": "sample"})
    return dg.Definitions.merge(build_definitions(own), dg.Definitions(assets=complete_specs([asset], own.roles)))


def materialize(definitions: dg.Definitions, *keys: str, month: str | None = None) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey.from_user_string(key) for key in keys],
            partition_key=month,
            instance=instance,
        )
    assert result.success


def test_an_asset_of_ones_own_lands_in_postgres_as_the_readme_says(tmp_path: Path) -> None:
    definitions = with_own(tmp_path, example("daily_revenue"))
    materialize(definitions, *CLEANED, "green/daily_revenue", month="2024-01")
    frame = definitions.load_asset_value(["green", "daily_revenue"], partition_key="2024-01")
    assert list(frame.columns) == ["day", "trips", "revenue", "source_month"]
    assert frame["trips"].sum() == 4_950


@pytest.mark.slow
def test_an_asset_of_ones_own_in_sql_lands_in_duckdb_as_the_readme_says(tmp_path: Path) -> None:
    definitions = with_own(tmp_path, example("green_airport_trips"))
    materialize(definitions, *CLEANED, "green/warehouse_trips", month="2024-01")
    for _ in range(2):
        materialize(definitions, "green/airport_trips")
    clean = definitions.load_asset_value(["green", "clean_trips"], partition_key="2024-01")
    with duckdb.connect(tmp_path / "warehouse.duckdb", read_only=True) as warehouse:  # refused where it is still open
        rows = warehouse.execute("FROM taxi.green_airport_trips ORDER BY dropoff_location_id").fetchall()
    by_airport = clean[clean["dropoff_location_id"].isin([1, 132, 138])].groupby("dropoff_location_id")["total_amount"]
    assert [(zone, trips) for zone, trips, _ in rows] == list(by_airport.size().items())
    assert [revenue for _, _, revenue in rows] == pytest.approx(list(by_airport.sum()))
    assert rows


def test_the_readmes_queries_of_duckdb_let_go_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that kept it open would keep every load waiting."""
    store = DuckDBStore(tmp_path / ".taxi/warehouse.duckdb", "taxi", "source_month", lock_patience=0)
    trips = Rows.from_table(pa.table({"payment_type": [1], "tip_amount": [2.5]}))
    january = TableSlice("green_trips", Month(2024, 1))
    store.replace(january, trips)
    rejected = Rows.from_table(pa.table({"rule": ["stray_month"]}))
    LocalLake(tmp_path / ".taxi/lake").replace(TableSlice("green/quarantined_trips", Month(2024, 1)), rejected)
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    exec(code(README, "warehouse.duckdb"), space)  # noqa: S102 - it is the README's own example
    assert "warehouse" in space
    assert store.replace(january, trips).rows == 1


def test_constraints_name_no_address() -> None:
    assert not re.search(r"://|@ ", (ROOT / "constraints.txt").read_text())


def test_python_runs_the_package_that_is_tested() -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import taxi_assets; print(taxi_assets.__file__)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(ROOT)
