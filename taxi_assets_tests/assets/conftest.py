from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import dagster as dg
import pytest

from taxi_assets.definitions import build_definitions
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import environment
from taxi_assets_tests.stores.servers import new_database

MONTH = "2024-01"


@dataclass
class Project:
    """The definitions over stores of their own, and the sample as the source."""

    settings: Settings
    instance: dg.DagsterInstance

    @cached_property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.settings)

    def run(self, job: str, month: str | None = MONTH, *keys: str, expect: bool = True) -> dg.ExecuteInProcessResult:
        """Run the job, or those of its assets."""
        result = self.definitions.resolve_job_def(job).execute_in_process(
            partition_key=month,
            instance=self.instance,
            asset_selection=[dg.AssetKey.from_user_string(key) for key in keys] or None,
            raise_on_error=False,
        )
        assert result.success == expect
        return result


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Project]:
    variables = {
        "TAXI_HOME": str(tmp_path_factory.mktemp("project")),
        "TAXI_SOURCE": "sample",
        "TAXI_POSTGRES": new_database(postgres_url),
    }
    with environment(**variables), dg.DagsterInstance.ephemeral() as instance:
        yield Project(Settings.from_environment(variables), instance)
