"""Files and folders that may not be written; Postgres, GCS and BigQuery are refused beside their other faults."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from taxi_assets.errors import StoreError
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.duckdb.store import DuckDBStore
from taxi_assets.stores.lake.folder.store import LocalLake
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.stores.contract import MONTH_COLUMN

from . import matrix
from .processes import failure_as_nobody
from .recording import Tell
from .subjects import IN_LAKE, Subject

pytestmark = pytest.mark.faults


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="taxi folder ") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Everything in the folder for nobody to write."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.parametrize("name", ["Local lake", "DuckDB"])
def test_a_folder_that_may_not_be_written_keeps_its_month(folder: Path, name: str, told: Tell) -> None:
    if name == "DuckDB":
        subject = Subject(name=name, store=DuckDBStore(folder / "warehouse.duckdb", "taxi", MONTH_COLUMN))
    else:
        subject = Subject(name=name, store=LocalLake(folder), piece=IN_LAKE)
    subject.replace(0)
    with read_only(folder):
        error = failure_as_nobody(subject, 1)
    assert type(error) is StoreError
    assert str(folder) in str(error)
    outcome = subject.outcome(error, 0, 1)
    subject.replace(2)
    assert subject.version() == 2
    told(matrix.FORBIDDEN, name, outcome, 1)


@pytest.mark.parametrize("lake", ["lake", "lake/below"], ids=["a file", "below a file"])
def test_a_lake_that_can_be_no_folder_is_named(lake: str, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    rows = Rows.from_table(pa.table({"fare": [1.5]}))
    with pytest.raises(StoreError, match=r"cannot be written: Not a directory"):
        LocalLake(tmp_path / lake).replace(TableSlice("sales"), rows)
