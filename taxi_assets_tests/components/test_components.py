"""An IO manager from YAML, in a project whose `defs` folder Dagster loads."""

import subprocess
import sys
import tomllib
import traceback
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pyarrow as pa
import pytest
from click.testing import CliRunner
from dagster.components.core.component_tree import ComponentTreeException
from dagster_dg_cli.cli import cli

from taxi_assets.components import IOManagerComponent, IOManagerScaffolder, ScaffoldParameters
from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers import storable
from taxi_assets_tests.servers.gcs import new_bucket
from taxi_assets_tests.stores.servers import new_database

ROOT = Path(__file__).parents[2]
DG = Path(sys.executable).parent / "dg"
COMPONENT = "taxi_assets.components.IOManagerComponent"
REGISTRY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
PROJECT = """
[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "sales_project"
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg

from taxi_assets.io_managers import storable


@dg.definitions
def defs():
    return storable(dg.load_from_defs_folder(path_within_project=Path(__file__).parent))
"""
ASSETS = """
import dagster as dg
import pyarrow as pa


@dg.asset(partitions_def=dg.MonthlyPartitionsDefinition("2024-01-01"), io_manager_key="warehouse")
def sales() -> pa.Table:
    return pa.table({"shop": ["north", "south"], "amount": [12.5, 7.0]})
"""
STORES = {
    "folder": "  folder: {folder: '{{ env.SALES_PLACE }}/lake'}",
    "duckdb": "  duckdb: {database: '{{ env.SALES_PLACE }}/sales.duckdb', schema_name: sales}",
    "postgres": "  postgres: {url_variable: SALES_PLACE, schema_name: sales}",
    "gcs": "  gcs: {url: 'gs://{{ env.SALES_PLACE }}/lake'}",
    "bigquery": "  bigquery: {project: project, dataset: '{{ env.SALES_PLACE }}'}",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of Dagster's without an IO manager yet."""
    package = tmp_path / "sales_project"
    (package / "defs").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").touch()
    (package / "defs" / "__init__.py").touch()
    (package / "definitions.py").write_text(DEFINITIONS)
    (package / "defs" / "assets.py").write_text(ASSETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "sales_project"]:
        del sys.modules[name]


def loaded(project: Path, attributes: str) -> dg.Definitions:
    """The definitions of the project with this IO manager, as Dagster loads its folder."""
    text = f"type: {COMPONENT}\nattributes:\n  resource_key: warehouse\n{attributes}\n"
    folder = project / "sales_project" / "defs" / "warehouse"
    folder.mkdir()
    (folder / "defs.yaml").write_text(text)
    return dg.load_from_defs_folder(path_within_project=project)


def place_of(store: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if store == "postgres":
        return new_database(request.getfixturevalue("postgres_url"))
    if store == "gcs":
        request.getfixturevalue("gcs")
        return new_bucket().name
    if store == "bigquery":
        request.getfixturevalue("bigquery")
        return f"sales_{uuid4().hex}"
    return str(folder)


@pytest.mark.parametrize("store", STORES)
def test_an_io_manager_from_yaml_stores_and_loads(
    project: Path, store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_PLACE", place_of(store, project / "data", request))
    definitions = storable(loaded(project, STORES[store]))
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(partition_key="2024-02-01", instance=instance).success
    found = definitions.load_asset_value("sales", python_type=pa.Table, partition_key="2024-02-01")
    assert sorted(found["amount"].to_pylist()) == [7.0, 12.5]


def test_what_a_store_cannot_hold_is_refused_when_the_folder_loads(project: Path) -> None:
    (project / "sales_project" / "defs" / "more.py").write_text(
        ASSETS.replace('"warehouse")', '"warehouse", metadata={"dagster/table_name": "sales"})').replace(
            "def sales", "def returns"
        )
    )
    definitions = loaded(project, STORES["duckdb"].replace("{{ env.SALES_PLACE }}", str(project)))
    with pytest.raises(InvalidRequest, match="both be stored in the table sales"):
        storable(definitions)


def test_the_url_of_a_server_with_its_password_is_in_no_configuration(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_PLACE", "postgresql://sales:secret@127.0.0.1:1/sales")
    [manager] = (loaded(project, STORES["postgres"]).resources or {}).values()
    assert "secret" not in repr(manager)
    assert "SALES_PLACE" in repr(manager.postgres)


@pytest.mark.parametrize(
    "attributes", ["", "  folder: {folder: lake}\n  duckdb: {database: sales.duckdb}"], ids=["none", "two"]
)
def test_an_io_manager_without_one_store_is_refused(project: Path, attributes: str) -> None:
    with pytest.raises(ComponentTreeException) as caught:
        loaded(project, attributes)
    assert "give one of folder, duckdb, postgres, gcs, bigquery" in "".join(traceback.format_exception(caught.value))


def test_dagsters_registry_has_the_component() -> None:
    [name] = REGISTRY["dagster_dg_cli.registry_modules"].values()
    module = metadata.EntryPoint("taxi_assets", name, "dagster_dg_cli.registry_modules").load()
    assert module.IOManagerComponent is IOManagerComponent


@pytest.fixture
def registered(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as Dagster's command finds it, in an environment in which this package is registered."""
    registered = project / "registered" / "registered-1.0.dist-info"
    registered.mkdir(parents=True)
    (registered / "METADATA").write_text("Metadata-Version: 2.1\nName: registered\nVersion: 1.0\n")
    lines = [f"[{group}]\n{name} = {module}" for group, found in REGISTRY.items() for name, module in found.items()]
    (registered / "entry_points.txt").write_text("\n".join(lines) + "\n")
    home = project / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.syspath_prepend(registered.parent)
    monkeypatch.setenv("PYTHONPATH", f"{registered.parent}:{project}")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")  # which the command sets for itself, and leaves
    monkeypatch.chdir(project)
    return project


def run_dg(*arguments: str) -> None:
    """Run Dagster's command in this process, as each start takes five seconds of processor time."""
    ran = CliRunner().invoke(cli, arguments)
    assert ran.exit_code == 0, ran.output


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_dg_scaffolds_and_checks_it(registered: Path, store: str) -> None:
    run_dg("scaffold", "defs", COMPONENT, "warehouse", "--store", store, "--resource-key", "warehouse")
    assert f"type: {COMPONENT}" in (registered / "sales_project" / "defs" / "warehouse" / "defs.yaml").read_text()
    run_dg("check", "defs", "--use-active-venv")  # its YAML too


@pytest.mark.slow
def test_dg_lists_it(registered: Path) -> None:
    assert COMPONENT in subprocess.check_output([DG, "list", "components", "--json"], cwd=registered, text=True)


def test_the_document_shows_what_is_scaffolded(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "io-managers.md").read_text()
    parameters = ScaffoldParameters(store="duckdb", resource_key="warehouse")
    request = dg.ScaffoldRequest(COMPONENT, tmp_path, "yaml", tmp_path, parameters)
    IOManagerScaffolder().scaffold(request)
    assert f"```yaml\n{(tmp_path / 'defs.yaml').read_text()}```" in document
