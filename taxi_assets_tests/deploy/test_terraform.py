"""deploy/terraform, as far as it can be known without an account: it parses, and grants what the documents say."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taxi_assets_tests.daemon.machines import PROJECT

hcl2 = pytest.importorskip("hcl2", reason="pip install python-hcl2")

FOLDER = PROJECT / "deploy" / "terraform"
FILES = sorted(FOLDER.glob("*.tf"))
TEXT = "\n".join(file.read_text() for file in FILES)


def blocks(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address, as `google_storage_bucket.lake`, and body of each block of a kind."""
    for file in FILES:
        for block in hcl2.loads(file.read_text()).get(kind, []):
            for name, body in block.items():
                if kind == "resource":
                    yield from ((f"{_bare(name)}.{_bare(label)}", one) for label, one in body.items())
                else:
                    yield _bare(name), body


def _bare(text: str) -> str:
    return text.strip('"')


RESOURCES = dict(blocks("resource"))


def test_there_is_all_that_the_stores_and_the_runs_take() -> None:
    kinds = {address.partition(".")[0] for address in RESOURCES}
    assert kinds >= {
        "google_storage_bucket",
        "google_bigquery_dataset",
        "google_sql_database_instance",
        "google_service_account",
        "google_artifact_registry_repository",
        "google_compute_instance",
        "google_container_cluster",
        "google_iap_tunnel_instance_iam_member",
    }


def test_every_reference_names_something_that_is_declared() -> None:
    code = re.sub(r"#.*", "", re.sub(r'description\s*=\s*".*"', "", TEXT))
    assert set(re.findall(r"var\.(\w+)", code)) == {name for name, _ in blocks("variable")}
    assert set(re.findall(r"\b((?:google|random)_\w+\.\w+)\b", code)) <= set(RESOURCES)


def test_the_account_has_the_roles_that_the_documents_name_and_no_broad_one() -> None:
    documented = set(re.findall(r"roles/[\w.]+", (PROJECT / "docs" / "real-gcp.md").read_text()))
    documented |= set(re.findall(r"roles/storage\.\w+", (PROJECT / "docs" / "deploy.md").read_text()))
    granted = set(re.findall(r"roles/[\w.]+", TEXT))
    assert documented <= granted
    assert not granted & {"roles/owner", "roles/editor", "roles/storage.admin", "roles/bigquery.admin"}


def test_nothing_has_an_address_on_the_internet() -> None:
    assert "access_config" not in TEXT
    assert re.findall(r"ipv4_enabled\s*=\s*(\w+)", TEXT) == ["false"]
    assert re.findall(r"source_ranges\s*=\s*(\[.*?\])", TEXT) == ['["35.235.240.0/20"]']  # Identity-Aware Proxy
    assert len(re.findall(r'public_access_prevention\s*=\s*"enforced"', TEXT)) == 2


def test_data_cannot_be_destroyed_by_an_apply() -> None:
    for address in ("google_storage_bucket.lake", "google_bigquery_dataset.warehouse"):
        kind, label = address.split(".")
        body = TEXT.partition(f'resource "{kind}" "{label}"')[2].partition('\nresource "')[0]
        assert re.search(r"prevent_destroy\s*=\s*true", body)
    assert re.search(r"deletion_protection\s*=\s*true", (FOLDER / "database.tf").read_text())


def test_no_secret_is_written_down() -> None:
    assert re.findall(r"password\s*=\s*(.*)", TEXT) == ["random_password.database[each.key].result"]


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_it_is_formatted_as_terraform_does(tmp_path: Path) -> None:
    check = ["terraform", "fmt", "-check", "-diff", str(FOLDER)]
    result = subprocess.run(check, env={"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}, check=False)
    assert result.returncode == 0
