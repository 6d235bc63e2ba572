from pathlib import Path

import pytest

from taxi_assets.catalog import dataset_named
from taxi_assets.month import Month

from .lakes import Months

JANUARY = Month(2024, 1)


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> Months:
    """January 2024 of every dataset, and of green the year before as well."""
    months = Months(tmp_path_factory.mktemp("months"))
    for name in ("yellow", "green", "fhv", "fhvhv"):
        months.load_sample(dataset_named(name), JANUARY)
    months.load_sample(dataset_named("green"), JANUARY.plus(-12))
    return months


@pytest.fixture
def empty(tmp_path: Path) -> Months:
    """A lake for months of a test's own."""
    return Months(tmp_path)
