"""The machine that the tests of the group `ui` share, where each has a dataset of its own."""

from collections.abc import Iterator

import pytest

from taxi_assets_tests.daemon.machines import Machine, laptop


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    with laptop(source="sample") as machine:
        yield machine
