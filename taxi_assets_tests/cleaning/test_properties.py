"""What must hold for every file, tried on generated ones; `HYPOTHESIS_PROFILE=thorough` tries many more."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.catalog import DATASETS, DEFAULT_RULES, RULES, Dataset
from taxi_assets.cleaning import cleaned_month
from taxi_assets.month import Month
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.lake.folder.store import LocalLake

from .agreement import assert_cleaning_agrees_with_the_reference
from .generated import months
from .months import outcome_of, raw_file, written
from .reference import plain_rows

for_every_dataset = pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
fewer = settings(max_examples=settings().max_examples // 4)  # of those that clean a file more than once
rule_sets = st.just(list(DEFAULT_RULES)) | st.lists(st.sampled_from([rule.name for rule in RULES]), unique=True)


@pytest.mark.slow
@for_every_dataset
@given(data=st.data(), rules=rule_sets)
def test_every_row_of_a_file_goes_where_the_reference_says(
    dataset: Dataset, data: st.DataObject, rules: list[str]
) -> None:
    drawn = data.draw(months(dataset))
    with TemporaryDirectory() as folder:
        path = written(drawn.table, Path(folder), dataset, drawn.month)
        assert_cleaning_agrees_with_the_reference(path, dataset, drawn.month, rules)


@pytest.mark.slow
@for_every_dataset
@fewer
@given(data=st.data())
def test_the_same_rows_stay_the_same_whatever_the_row_groups_and_the_processors(
    dataset: Dataset, data: st.DataObject
) -> None:
    drawn = data.draw(months(dataset))
    outcomes = []
    for row_group_size, processors in ((1, 4), (7, 1), (1000, 2)):
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as machine:
            machine.setattr("os.cpu_count", lambda count=processors: count)
            path = written(drawn.table, Path(folder), dataset, drawn.month, row_group_size=row_group_size)
            outcomes.append(outcome_of(path, dataset, drawn.month))
    first, *others = ((plain_rows(one.clean), plain_rows(one.quarantine), one.rejected) for one in outcomes)
    assert others == [first, first]


@pytest.mark.slow
@for_every_dataset
@fewer
@given(data=st.data())
def test_the_same_file_gives_the_same_bytes(dataset: Dataset, data: st.DataObject) -> None:
    drawn = data.draw(months(dataset))
    with TemporaryDirectory() as folder:
        path = written(drawn.table, Path(folder), dataset, drawn.month)
        once, again = (bytes_in_the_lake(path, dataset, drawn.month, Path(folder, lake)) for lake in ("a", "b"))
    assert once == again


def bytes_in_the_lake(path: Path, dataset: Dataset, month: Month, root: Path) -> list[bytes]:
    lake = LocalLake(root)
    with cleaned_month(raw_file(path), dataset, month, DEFAULT_RULES, root / "scratch") as cleaned:
        lake.replace(TableSlice("clean", month), cleaned.clean)
        lake.replace(TableSlice("quarantine", month), cleaned.quarantine)
    return [file.read_bytes() for file in sorted(root.glob("*/month=*/*.parquet"))]
