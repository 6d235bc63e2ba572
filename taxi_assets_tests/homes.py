"""A folder of one's own to run `taxi` in, as a person does."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
from click.testing import CliRunner

from taxi_assets.catalog import Layer
from taxi_assets.cli.main import main
from taxi_assets.definitions import build_definitions
from taxi_assets.settings import SCHEMA, Settings
from taxi_assets.stores.factory import dsn_of
from taxi_assets_tests.conftest import environment

TAXI = Path(sys.executable).parent / "taxi"
WIDTH = "400"  # so that no line breaks where a path is long
LAKE_LAYERS = (Layer.RAW, Layer.QUARANTINE, Layer.DIFF, Layer.CLEAN)  # which become current in one step
TRIPS_LAYERS = (*LAKE_LAYERS, Layer.POSTGRES, Layer.WAREHOUSE)
REAL_FILES = Path(__file__).parents[2] / "shared" / "tlc"


class Home:
    """The folder that `TAXI_HOME` names, and what else the environment says there."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = {"TAXI_HOME": str(folder), **variables}
        self.settings = Settings.from_environment(self.variables)

    def taxi(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command in this process, which saves the two seconds of its imports; a crash is raised."""
        removed = dict.fromkeys(name for name in os.environ if name.startswith(("TAXI_", "DAGSTER_")))
        result = CliRunner().invoke(
            main,
            list(map(str, arguments)),
            env={**removed, **self.variables, "COLUMNS": WIDTH, **variables},
            catch_exceptions=False,
        )
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    def taxi_process(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a program of its own and wait for it."""
        return subprocess.run(
            [TAXI, *map(str, arguments)], env=self.environment(**variables), capture_output=True, text=True, check=False
        )

    @cached_property
    def definitions(self) -> dg.Definitions:
        """Built once: that takes as long as some runs."""
        return build_definitions(self.settings)

    @property
    def postgres_url(self) -> str:
        """The server that holds this home's tables; an embedded one is started."""
        return dsn_of(self.settings.postgres)

    def postgres(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query finds in the Postgres of this home, where `taxi psql` would look for its tables."""
        with psycopg.connect(self.postgres_url, options=f"-c search_path={SCHEMA}") as connection:
            return connection.execute(query).fetchall()

    def execute(
        self, job: str, month: str | None, *keys: str, run_config: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run those assets of the job without the command, in a Dagster instance that lives as long as the run."""
        with self.in_environment(), dg.DagsterInstance.ephemeral() as instance:
            return self.definitions.resolve_job_def(job).execute_in_process(
                instance=instance,
                partition_key=month,
                run_config=run_config,
                asset_selection=[dg.AssetKey.from_user_string(key) for key in keys],
                raise_on_error=False,
            )

    def in_environment(self) -> AbstractContextManager[None]:
        """For definitions that are used without a command: Dagster's resources read secrets from the environment."""
        return environment(**self.variables)

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_"))}
        return {**kept, **self.variables, "COLUMNS": WIDTH, **variables}
