"""deploy/docker-compose.yaml, as far as it can be known without Docker."""

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from google.cloud import storage

from taxi_assets.settings import Settings
from taxi_assets.settings.placement import require_reachable_stores
from taxi_assets.settings.places import BigQuery, Bucket, Server
from taxi_assets_tests.daemon.machines import PROGRAMS, PROJECT
from taxi_assets_tests.servers.bigquery import _environment
from taxi_assets_tests.servers.gcs import GcsServer

FILE = PROJECT / "deploy" / "docker-compose.yaml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("code", "daemon", "webserver")


def test_everything_that_a_service_names_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", [])) <= set(SERVICES)
        assert {one["source"] for one in service.get("configs", [])} <= set(COMPOSE["configs"])
        assert {one.partition(":")[0] for one in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        if "build" in service:
            context = (FILE.parent / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()
    assert SERVICES["daemon"]["pid"] == "service:code"
    assert (FILE.parent / COMPOSE["configs"]["instance"]["file"]).is_file()


def test_images_are_pinned_and_only_the_ui_is_published_on_the_loopback() -> None:
    for service in SERVICES.values():
        assert "build" in service or re.search(r":\d+\.\d+", service["image"])
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"webserver": ["127.0.0.1:3000:3000"]}


@pytest.mark.parametrize("name", OURS)
def test_the_programs_take_the_arguments(name: str) -> None:
    """Parsed by the programs' own parsers, without running them."""
    from dagster._cli import create_dagster_cli
    from dagster._daemon.cli import create_dagster_daemon_cli
    from dagster_webserver.cli import dagster_webserver

    programs = {"dagster": create_dagster_cli(), "dagster-daemon": create_dagster_daemon_cli()}
    workspace = str(PROJECT / "deploy" / "workspace.yaml")  # one that exists on this machine
    program, *given = SERVICES[name]["command"]
    arguments = [workspace if one.endswith("/workspace.yaml") else one for one in given]
    command: click.Command = programs.get(program, dagster_webserver)
    while isinstance(command, click.Group) and not arguments[0].startswith("-"):
        command = command.commands[arguments.pop(0)]
    command.make_context(name, arguments)
    with pytest.raises(click.NoSuchOption):
        command.make_context(name, ["--no-such-option"])


def test_the_services_have_the_variables_that_the_instance_reads_and_stores_that_they_share() -> None:
    instance = (PROJECT / "deploy" / "dagster.yaml").read_text()
    for name in OURS:
        given = SERVICES[name]["environment"]
        assert set(re.findall(r"env: (\w+)", instance)) <= set(given)
        settings = Settings.from_environment(
            {
                key: value.replace("${POSTGRES_PASSWORD:?choose a password of letters and digits}", "secret")
                for key, value in given.items()
                if key != "TAXI_SOURCE"
            }
        )
        require_reachable_stores(settings)
        assert isinstance(settings.lake, Bucket)
        assert isinstance(settings.postgres, Server)
        assert isinstance(settings.warehouse, BigQuery)


def test_no_password_is_written_down() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "postgresql" in str(value):
                assert "${POSTGRES_PASSWORD:?" in value


def test_the_buckets_are_made_once_and_stay(gcs: GcsServer) -> None:
    del gcs  # which Google's client finds by STORAGE_EMULATOR_HOST, as in the container
    _, option, program = SERVICES["buckets"]["command"]
    for _ in range(2):
        subprocess.run([PROGRAMS / "python", option, program], check=True)
    assert {"taxi", "logs"} <= {bucket.name for bucket in storage.Client().list_buckets(project="test")}


def test_the_emulator_has_the_settings_that_the_tests_give_it(tmp_path: Path) -> None:
    tested = {
        name
        for name in _environment(tmp_path, tmp_path, "127.0.0.1", rest_port=1, grpc_port=2)
        if name.startswith("BQEMU_")
    }
    assert set(SERVICES["bigquery"]["environment"]) == tested - {"BQEMU_LOG_LEVEL"}


def test_the_emulator_s_image_copies_what_exists() -> None:
    lines = (PROJECT / "deploy" / "compose" / "bigquery-emulator.Dockerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY"):
            assert (PROJECT / line.split()[1]).exists()
