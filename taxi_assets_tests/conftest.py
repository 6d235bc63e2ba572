from collections.abc import Iterator

import pytest

from taxi_assets.stores.embedded_postgres import embedded_url
from taxi_assets_tests.stores.servers import folder_for_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real server of this session's own."""
    with folder_for_server() as folder:
        yield embedded_url(folder)
