"""Kubernetes as configuration, without a cluster, a chart or a network: the instance, the pod of a run, the image."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance import InstanceRef
from dagster._core.launcher.base import LaunchRunContext

from taxi_assets.definitions import build_definitions
from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import environment
from taxi_assets_tests.daemon.machines import PROJECT, records_url
from taxi_assets_tests.servers.gcs import GcsServer

kubernetes = pytest.importorskip("kubernetes", reason="pip install dagster-k8s")

FOLDER = PROJECT / "deploy" / "kubernetes"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text())
INSTANCE = Path(__file__).parent / "kubernetes_instance.yaml"
LAUNCHER = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
[CODE] = VALUES["dagster-user-deployments"]["deployments"]
IMAGE = "registry/taxi-assets:0.1.0"


@dg.op
def nothing() -> None: ...


@dg.job(executor_def=dg.in_process_executor)
def job() -> None:
    nothing()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the instance, as pods have it, and the variable that the chart sets."""
    folder = tmp_path_factory.mktemp("pod")
    (folder / "dagster.yaml").write_text(INSTANCE.read_text())
    with environment(DAGSTER_PG_PASSWORD="password"):  # noqa: S106 - of no server
        yield folder


@pytest.fixture(scope="module")
def pod(home: Path) -> dict[str, Any]:
    """The pod template that the instance's launcher sends to Kubernetes for a run."""
    import dagster_k8s.launcher

    sent: list[Any] = []
    api = SimpleNamespace(create_namespaced_job_with_retries=lambda body, namespace: sent.append(body))
    (home / "records").mkdir()
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.local_temp(str(home / "records")) as instance:
        patch.setattr(dagster_k8s.launcher, "load_kubernetes_config", lambda *_, **__: None)
        patch.setattr(dagster_k8s.launcher.DagsterKubernetesClient, "production_client", lambda **_: api)
        launcher = InstanceRef.from_dir(str(home)).run_launcher
        launcher.register_instance(instance)
        origin = dg.reconstructable(job).get_python_origin()
        image = origin.repository_origin._replace(container_image=IMAGE)
        run = instance.create_run_for_job(job, job_code_origin=origin._replace(repository_origin=image))
        launcher.launch_run(LaunchRunContext(run, None))
    template: dict[str, Any] = kubernetes.client.ApiClient().sanitize_for_serialization(sent[0])["spec"]["template"]
    return template


def test_the_instance_loads_and_keeps_its_records_in_postgres(
    tmp_path: Path, postgres_url: str, gcs: GcsServer
) -> None:
    (gcs.folder / "my-logs").mkdir(exist_ok=True)
    configuration = yaml.safe_load(INSTANCE.read_text())
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        configuration[storage]["config"] = {"postgres_url": records_url(postgres_url, "postgres")}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        assert instance.run_coordinator.get_run_queue_config().max_user_code_failure_retries == 360
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 4
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure


def test_the_kept_instance_is_that_of_the_values() -> None:
    """The chart copies these parts, under other names; test_chart.py compares all of it where the chart is at hand."""
    instance = yaml.safe_load(INSTANCE.read_text())
    launcher = instance["run_launcher"]["config"]
    for kept, name in (("env_vars", "envVars"), ("volumes", "volumes"), ("volume_mounts", "volumeMounts")):
        assert launcher[kept] == LAUNCHER[name]
    assert launcher["resources"] == LAUNCHER["resources"]
    assert launcher["run_k8s_config"] == {_snake(name): value for name, value in LAUNCHER["runK8sConfig"].items()}
    for kept, values in (
        (instance["run_monitoring"], VALUES["dagsterDaemon"]["runMonitoring"]),
        (instance["run_retries"], VALUES["dagsterDaemon"]["runRetries"]),
        (instance["concurrency"]["pools"], VALUES["concurrency"]["pools"]),
        (instance["concurrency"]["runs"], VALUES["concurrency"]["runs"]),
    ):
        assert kept == {_snake(name): value for name, value in values.items()}
    coordinator = VALUES["dagsterDaemon"]["runCoordinator"]["config"]["customRunCoordinator"]
    assert instance["run_coordinator"] == coordinator


def test_what_a_run_is_does_not_depend_on_where_it_runs() -> None:
    """But for the launcher, the number of runs and the time that a node takes, the instances are the same."""
    machine = yaml.safe_load((PROJECT / "deploy" / "dagster.yaml").read_text())
    fleet = yaml.safe_load(INSTANCE.read_text())
    for one in ("run_retries", "python_logs", "telemetry", "nux"):
        assert fleet[one] == machine[one]
    assert fleet["concurrency"]["pools"] == machine["concurrency"]["pools"]
    assert fleet["run_coordinator"]["config"] == machine["run_queue"]
    assert fleet["run_monitoring"]["max_runtime_seconds"] == machine["run_monitoring"]["max_runtime_seconds"]


def test_a_run_s_pod_is_without_root_and_writes_to_its_scratch_alone(pod: dict[str, Any]) -> None:
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if "subPath" not in mount]
    assert writable == ["/scratch"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["TMPDIR"] == variables["TAXI_HOME"] == "/scratch"


def test_a_run_s_pod_has_the_image_the_account_and_room_for_the_largest_month(pod: dict[str, Any]) -> None:
    [container] = pod["spec"]["containers"]
    [scratch] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "scratch"]
    assert container["image"] == IMAGE
    assert container["resources"] == LAUNCHER["resources"]
    assert _gib(scratch["emptyDir"]["sizeLimit"]) < _gib(container["resources"]["limits"]["ephemeral-storage"])
    assert pod["spec"]["serviceAccountName"] == "taxi"
    assert pod["spec"]["nodeSelector"] == {"cloud.google.com/gke-spot": "true"}
    assert not pod["spec"]["automountServiceAccountToken"]


def test_a_run_s_pod_reads_passwords_from_secrets(pod: dict[str, Any]) -> None:
    [container] = pod["spec"]["containers"]
    password = next(one for one in container["env"] if one["name"] == "DAGSTER_PG_PASSWORD")
    assert password["valueFrom"]["secretKeyRef"]["name"] == "taxi-dagster-postgres"
    assert {"secretRef": {"name": "taxi-environment"}} in container["envFrom"]
    assert "password" not in re.sub(r"postgresql-password|taxi-dagster-postgres", "", str(LAUNCHER["envVars"]))


def test_the_code_server_and_the_runs_have_the_same_variables() -> None:
    assert [f"{one['name']}={one['value']}" for one in CODE["env"]] == LAUNCHER["envVars"]
    assert CODE["envSecrets"] == LAUNCHER["envSecrets"]


def test_the_stores_in_the_values_are_accepted_and_a_folder_is_not(home: Path) -> None:
    given = dict(one.split("=", 1) for one in LAUNCHER["envVars"])
    given |= {"DAGSTER_HOME": str(home), "TAXI_POSTGRES": "postgresql://taxi@10.0.0.5/taxi"}
    dg.Definitions.validate_loadable(build_definitions(Settings.from_environment(given)))
    with pytest.raises(InvalidRequest, match=r"K8sRunLauncher.*TAXI_LAKE to gs://"):
        build_definitions(Settings.from_environment({**given, "TAXI_LAKE": "/scratch/lake"}))


def test_the_image_is_pinned_and_its_user_is_a_number_other_than_root() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert set(bases) == {"python:3.11.9-slim-bookworm"}
    assert any("--constraint constraints.txt" in line for line in lines)
    assert [line for line in lines if line.startswith("USER")] == [f"USER {CODE['podSecurityContext']['runAsUser']}"]
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            assert all((PROJECT / name).exists() for name in line.split()[1:-1])


def _snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _gib(text: str) -> int:
    return int(text.removesuffix("Gi"))
