"""deploy/kubernetes/values.yaml against Dagster's own chart: its schema, what it renders, and Kubernetes' schemas."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from .chart import KUBERNETES, dagster_chart, manifests
from .test_kubernetes import INSTANCE, VALUES

TYPOS = [
    (("dagsterDaemon",), "runMonitorings"),
    (("concurrency", "pools"), "defaultLimits"),
    (("runLauncher", "config", "k8sRunLauncher"), "resorces"),
]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with dagster_chart(tmp_path_factory.mktemp("chart") / "dagster") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def objects(chart: Any) -> list[dict[str, Any]]:
    return manifests(chart.render(VALUES, name="taxi", namespace="taxi"))


def test_the_values_fit_the_chart_s_schema(chart: Any) -> None:
    chart.validate_schema(VALUES)


@pytest.mark.parametrize(("path", "name"), TYPOS)
def test_the_schema_would_notice_a_typo(chart: Any, path: tuple[str, ...], name: str) -> None:
    values = deepcopy(VALUES)
    place = values
    for one in path:
        place = place[one]
    place[name] = {"a": 1}
    with pytest.raises(Exception, match=name):
        chart.validate_schema(values)


def test_the_rendered_instance_is_the_one_that_the_other_tests_load(objects: list[dict[str, Any]]) -> None:
    [instance] = [one for one in objects if one["metadata"]["name"] == "taxi-dagster-instance"]
    assert yaml.safe_load(instance["data"]["dagster.yaml"]) == yaml.safe_load(INSTANCE.read_text())


def test_kubernetes_would_accept_every_object(objects: list[dict[str, Any]]) -> None:
    import kubernetes_validate

    for one in objects:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    assert {one["kind"] for one in objects} >= {"Deployment", "Service", "ServiceAccount", "ConfigMap", "Role"}


def test_every_container_of_the_package_runs_without_root_on_a_read_only_file_system(
    objects: list[dict[str, Any]],
) -> None:
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert "/scratch" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_nothing_is_reachable_from_outside_of_the_cluster(objects: list[dict[str, Any]]) -> None:
    services = [one["spec"].get("type", "ClusterIP") for one in objects if one["kind"] == "Service"]
    assert set(services) == {"ClusterIP"}
    assert "Ingress" not in {one["kind"] for one in objects}


def test_the_code_server_reads_the_instance_that_the_chart_makes(objects: list[dict[str, Any]]) -> None:
    names = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    assert {volume["configMap"]["name"] for volume in code["volumes"] if "configMap" in volume} <= names
    assert Path(code["volumeMounts"][1]["mountPath"]).name == "dagster.yaml"
