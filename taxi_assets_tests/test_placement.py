"""Stores on one machine's disk are refused where the instance starts runs on other machines."""

from pathlib import Path

import pytest

from taxi_assets.definitions import build_definitions
from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import Settings
from taxi_assets.settings.placement import require_reachable_stores
from taxi_assets_tests.homes import Home

SHARED = {
    "TAXI_LAKE": "gs://bucket/taxi",
    "TAXI_POSTGRES": "postgresql://taxi@10.0.0.5/taxi",
    "TAXI_WAREHOUSE": "bigquery://project/taxi",
}
ON_ONE_DISK = {"TAXI_LAKE": "/srv/lake", "TAXI_POSTGRES": "embedded", "TAXI_WAREHOUSE": "duckdb:////srv/taxi.duckdb"}
REMOTE = [
    "{module: dagster_k8s, class: K8sRunLauncher, config: {job_namespace: taxi}}",
    "{module: dagster_celery.launcher, class: CeleryRunLauncher}",
    "{module: dagster_docker, class: DockerRunLauncher}",
    "{module: dagster_aws.ecs, class: EcsRunLauncher}",
]
LOCAL = [
    "telemetry: {enabled: false}\n",
    "run_launcher: {module: taxi_assets.automation.launcher, class: LocalRunLauncher}\n",
    "run_launcher: {module: dagster, class: DefaultRunLauncher}\n",
    "run_launcher: [no mapping",
    "",
]


def settings_of(folder: Path, instance: str, **variables: str) -> Settings:
    """The settings with these stores, and with an instance that this text configures."""
    (folder / "instance").mkdir()
    (folder / "instance" / "dagster.yaml").write_text(instance)
    home = {"TAXI_HOME": str(folder), "DAGSTER_HOME": str(folder / "instance")}
    return Settings.from_environment({**home, **variables})


@pytest.mark.parametrize("launcher", REMOTE)
@pytest.mark.parametrize("variable", SHARED)
def test_a_store_on_one_disk_is_refused_under_a_remote_launcher_by_its_variable(
    tmp_path: Path, launcher: str, variable: str
) -> None:
    stores = {**SHARED, variable: ON_ONE_DISK[variable]}
    with pytest.raises(InvalidRequest) as refused:
        build_definitions(settings_of(tmp_path, f"run_launcher: {launcher}\n", **stores))
    named = {one for one in SHARED if one in str(refused.value)}
    assert named == {variable}
    assert SHARED[variable].partition("://")[0] + "://" in str(refused.value)


def test_the_defaults_are_refused_with_all_variables(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"K8sRunLauncher.*TAXI_LAKE.*TAXI_POSTGRES.*TAXI_WAREHOUSE"):
        build_definitions(settings_of(tmp_path, f"run_launcher: {REMOTE[0]}\n"))


@pytest.mark.parametrize("launcher", REMOTE)
def test_shared_stores_are_accepted_under_a_remote_launcher(tmp_path: Path, launcher: str) -> None:
    require_reachable_stores(settings_of(tmp_path, f"run_launcher: {launcher}\n", **SHARED))


@pytest.mark.parametrize("instance", LOCAL)
def test_every_store_is_accepted_where_runs_are_processes_of_the_machine(tmp_path: Path, instance: str) -> None:
    require_reachable_stores(settings_of(tmp_path, instance, **ON_ONE_DISK))


@pytest.mark.slow
@pytest.mark.parametrize("command", [["run", "green", "2024-01"], ["status"], ["backfill", "green", "2024-01"]])
def test_commands_that_use_the_instance_refuse_too(tmp_path: Path, command: list[str]) -> None:
    settings_of(tmp_path, f"run_launcher: {REMOTE[1]}\n")
    home = Home(tmp_path, DAGSTER_HOME=str(tmp_path / "instance"), TAXI_SOURCE="sample")
    result = home.taxi_process(*command)
    assert result.returncode == 1
    assert "CeleryRunLauncher" in result.stderr
    assert "TAXI_LAKE to gs://bucket/prefix" in result.stderr
    assert not (tmp_path / "lake").exists()
