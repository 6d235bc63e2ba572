"""A run as its container has it: a user other than root, and a file system that is read-only but for scratch."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import yaml
from google.cloud import storage

from taxi_assets_tests.daemon.machines import PROJECT, records_url
from taxi_assets_tests.homes import TAXI
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer

# Mounts of a namespace of its own, which ends with the command.
CONTAINER = """
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift
touch /var/tmp/written 2>/dev/null && exit 99
exec setpriv --reuid {user} --regid {user} --clear-groups "$@"
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="making mounts takes root")
def test_a_run_writes_nowhere_but_to_its_scratch(postgres_url: str, gcs: GcsServer, bigquery: BigQueryServer) -> None:
    storage.Client().create_bucket("read-only")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE read_only")
    # The server's own user, the only one besides root who may open its socket.
    [socket] = parse_qs(urlsplit(postgres_url).query)["host"]
    user = Path(socket).stat().st_uid
    assert user != 0
    with tempfile.TemporaryDirectory(prefix="taxi-pod-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        for name in ("dagster", "scratch"):
            (folder / name).mkdir()
        os.chown(folder / "scratch", user, user)
        instance = yaml.safe_load((PROJECT / "deploy" / "dagster.yaml").read_text())
        del instance["compute_logs"]
        (folder / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(instance))
        scratch = folder / "scratch"
        variables = {
            "DAGSTER_HOME": str(folder / "dagster"),
            "DAGSTER_POSTGRES_URL": records_url(postgres_url, "read_only"),
            "HOME": "/nonexistent",
            "TMPDIR": str(scratch),
            "TAXI_HOME": str(scratch),
            "TAXI_SOURCE": "sample",
            "TAXI_LAKE": "gs://read-only/taxi",
            "TAXI_POSTGRES": urlsplit(postgres_url)._replace(path="/read_only").geturl(),
            "TAXI_WAREHOUSE": "bigquery://test/read_only",
        }
        command = ["unshare", "--mount", "sh", "-c", CONTAINER.format(user=user), "sh", scratch]
        result = subprocess.run(
            [*command, TAXI, "run", "green", "2024-01"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert {path.name for path in scratch.iterdir()} == {"locks", "source.json", ".source.json.lock"}
    with psycopg.connect(variables["TAXI_POSTGRES"]) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM taxi.green_trips").fetchone() == (True,)
