"""Machines that tests of several modules share; each start takes 15 seconds of processor time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets.sample import DEFAULT_ROWS, write_tree

from .backfills import BACKFILLED, BACKFILLED_MONTHS
from .machines import Machine, laptop, server


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the source has: months of the built-in sample, as files that can be broken."""
    folder = tmp_path_factory.mktemp("published")
    months = [(dataset, month) for dataset in BACKFILLED for month in BACKFILLED_MONTHS]
    write_tree(folder, rows=DEFAULT_ROWS, months=months)
    return folder


@pytest.fixture(scope="session")
def killed_laptop(published: Path) -> Iterator[Machine]:
    with laptop(source=str(published)) as started:
        yield started


@pytest.fixture
def machine(killed_laptop: Machine) -> Machine:
    """That of the group `killed laptop`. It runs, also after a test that failed between a kill and the start."""
    killed_laptop.start()
    return killed_laptop


@pytest.fixture(scope="session")
def services(published: Path) -> Iterator[Machine]:
    """Those of deploy/, for the tests of the group `deploy`."""
    with server(source=str(published)) as machine:
        yield machine
