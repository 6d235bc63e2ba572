"""Places that are given to the IO managers by hand, without the variables of the environment."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@dg.asset
def sales() -> pa.Table:
    return pa.table({"amount": [7]})


@pytest.mark.parametrize(
    "manager",
    [
        LakeIOManager(url="gs://bucket/lake#2"),
        LakeIOManager(url="gs://bucket/lake?x"),
        LakeIOManager(url="GS://bucket/lake"),
        LakeIOManager(url="s3://bucket/lake"),
        LakeIOManager(url="file:///srv/lake"),
    ],
    ids=lambda manager: manager.url,
)
def test_a_lake_that_would_be_another_place_is_refused(manager: LakeIOManager, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="gs://bucket/prefix"):
        manager.store()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [":memory:", "duckdb:///srv/w.duckdb", "https://example.org/w.duckdb"])
def test_a_duckdb_file_that_would_be_another_place_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="path on this machine's disk"):
        DuckDBIOManager(path=path).open_store()
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    for manager in (LakeIOManager(url="~/lake"), DuckDBIOManager(path="~/w.duckdb")):
        dg.materialize([sales], resources={"io_manager": manager})
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert sorted(path.name for path in (tmp_path / "home").iterdir() if not path.name.endswith(".lock")) == [
        "lake",
        "w.duckdb",
    ]
