"""A folder of one's own to run `taxi` in, as a person does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from click.testing import CliRunner, Result

from taxi_assets.cli import main
from taxi_assets.settings import Settings
from taxi_assets.stores.embedded_postgres import embedded_url

TAXI = Path(sys.executable).parent / "taxi"
REAL_FILES = Path(__file__).parents[2] / "shared" / "tlc"


class Home:
    """The folder that `TAXI_HOME` names, and what else the environment says there."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = {"TAXI_HOME": str(folder), **variables}
        self.settings = Settings.from_environment(self.variables)

    def with_its_server(self) -> Self:
        """Start the embedded Postgres for as long as this process lives, so that no command waits for it."""
        embedded_url(self.settings.postgres_folder)
        return self

    def taxi(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command and wait for it."""
        return subprocess.run(
            [TAXI, *map(str, arguments)], env=self.environment(**variables), capture_output=True, text=True, check=False
        )

    def taxi_here(self, *arguments: object, **variables: str) -> Result:
        """Run the command in this process, which takes a tenth of the time; what is no error of ours is raised."""
        told = dict.fromkeys(name for name in os.environ if name.startswith(("TAXI_", "DAGSTER_")))
        return CliRunner().invoke(
            main,
            list(map(str, arguments)),
            env={**told, **self.variables, "COLUMNS": "400", **variables},
            catch_exceptions=False,
        )

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_"))}
        return {**kept, **self.variables, "COLUMNS": "200", **variables}
