"""Dagster's Helm chart for the tests: not part of the project, and read without a network."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

VARIABLE = "TAXI_TESTS_DAGSTER_CHART"
KUBERNETES = "1.33"
_REMOTE = r"https://[^\"#]*/_definitions\.json"


@contextmanager
def dagster_chart(folder: Path) -> Iterator[Any]:
    """The chart that `VARIABLE` names, unpacked, with Helm 4 to render it; the test is skipped without either.

    Args:
        folder: for a copy of the chart whose schemas find the definitions of Kubernetes on this machine.
    """
    chart = os.environ.get(VARIABLE)
    if not chart:
        pytest.skip(f"{VARIABLE} names no folder with Dagster's Helm chart: see docs/kubernetes.md")
    helm = pytest.importorskip("helm_python", reason="pip install helm-python-sdk, or make test-kubernetes")
    kubernetes = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    shutil.copytree(chart, folder)
    schemas = Path(kubernetes.__file__).parent / "kubernetes-json-schema"
    definitions = json.loads((schemas / f"v{KUBERNETES}.0-local" / "_definitions.json").read_text())["$defs"]
    local = folder / "_definitions.json"
    local.write_text(json.dumps({"definitions": definitions}).replace("#/$defs/", "#/definitions/"))
    for schema in folder.rglob("values.schema.json"):
        schema.write_text(re.sub(_REMOTE, f"file://{local}", schema.read_text()))
    with helm.Chart.load(folder) as loaded:
        yield loaded


def manifests(rendered: dict[str, str]) -> list[dict[str, Any]]:
    """The Kubernetes objects in the rendered files."""
    texts = [text for name, text in rendered.items() if not name.endswith(".txt")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]
