"""Machines that tests of several modules share; each start takes 15 seconds of processor time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets.sample import DEFAULT_ROWS, write_tree
from taxi_assets_tests.source.cdn import serving

from .backfills import BACKFILLED, BACKFILLED_MONTHS
from .machines import Machine, server
from .watched import Watch, hurried_laptop, webhook


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the source has: months of the built-in sample, as files that can be broken."""
    folder = tmp_path_factory.mktemp("published")
    months = [(dataset, month) for dataset in BACKFILLED for month in BACKFILLED_MONTHS]
    write_tree(folder, rows=DEFAULT_ROWS, months=months)
    return folder


@pytest.fixture(scope="session")
def services(published: Path) -> Iterator[Machine]:
    """Those of deploy/, for the tests of the group `deploy`."""
    with server(source=str(published)) as machine:
        yield machine


@pytest.fixture(scope="session")
def watch() -> Iterator[Watch]:
    """A machine whose sensors watch a server of files, for the tests of the group `watch`: a dataset each."""
    with serving() as cdn, webhook() as (hook, alerts), hurried_laptop(cdn.url, hook) as machine:
        yield Watch(machine, cdn, alerts)
