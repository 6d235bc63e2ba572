"""Places that are given to the IO managers by hand, without the variables of the environment."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers import DuckDBIOManager, GCSLakeIOManager, LakeIOManager
from taxi_assets.resources import DuckDBResource
from taxi_assets.resources.google_cloud import GCSResource


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@dg.asset
def sales() -> pa.Table:
    return pa.table({"amount": [7]})


@pytest.mark.parametrize(
    "place",
    [
        "gs://bucket/lake#2",
        "gs://bucket/lake?x",
        "GS://bucket/lake",
        "s3://bucket/lake",
        "file:///srv/lake",
    ],
)
def test_a_lake_that_would_be_another_place_is_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="gs://bucket/prefix"):
        GCSLakeIOManager(gcs=GCSResource(), url=place).store()
    with pytest.raises(InvalidRequest, match="path on this machine's disk"):
        LakeIOManager(folder=place).store()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [":memory:", "duckdb:///srv/w.duckdb", "https://example.org/w.duckdb"])
def test_a_duckdb_file_that_would_be_another_place_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="path on this machine's disk"):
        DuckDBIOManager(duckdb=DuckDBResource(database=path)).open_store()
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    for manager in (LakeIOManager(folder="~/lake"), DuckDBIOManager(duckdb=DuckDBResource(database="~/w.duckdb"))):
        dg.materialize([sales], resources={"io_manager": manager})
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert sorted(path.name for path in (tmp_path / "home").iterdir() if not path.name.endswith(".lock")) == [
        "lake",
        "w.duckdb",
    ]
