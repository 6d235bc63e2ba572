"""`make demo`: loads one synthetic month of every dataset into all stores, and prints the next commands.

It has a home of its own below the usual one, since synthetic and real months must not mix.
"""

import shlex
import sys
from pathlib import Path

from taxi_assets.catalog import DATASETS, DEFAULT_RULES
from taxi_assets.cli import console, runs
from taxi_assets.cli.batch import run_all
from taxi_assets.cli.interrupts import supervised
from taxi_assets.definitions import build_definitions
from taxi_assets.month import Month
from taxi_assets.settings import SCHEMA, Settings, child_environment, load_env_file
from taxi_assets.settings.places import BigQuery, Embedded

DEMO_MONTH = Month(2024, 1)
_HOME = "demo"


def main() -> None:
    """Run the demo; the exit status is 0 only if everything was loaded."""
    load_env_file()
    settings = demo_settings()
    screen = console.Terminal()
    screen.console.print(
        f"\nLoading {DEMO_MONTH} of {', '.join(one.name for one in DATASETS)} and the zones from the built-in sample, "
        f"offline: synthetic trips with TLC's schema and typical defects, in a home of their own, {settings.home}.\n"
    )
    requests = [
        runs.zones_request(),
        *(runs.month_request(dataset, DEMO_MONTH, DEFAULT_RULES) for dataset in DATASETS),
    ]
    definitions = build_definitions(settings, screen.loggers)
    with runs.instance_of(settings) as instance, screen.running():
        outcomes = run_all(requests, definitions, instance, screen, lambda _: "make demo")
    screen.print_outcomes(outcomes)
    if not all(outcome.loaded for outcome in outcomes):
        sys.exit(1)
    screen.console.print(next_steps(settings), soft_wrap=True)


def next_steps(settings: Settings) -> str:
    """The places of the demo's data and the commands to explore it, in rich's markup."""
    there = f"TAXI_HOME={shlex.quote(_shown(settings.home))} TAXI_SOURCE=sample"
    return f"""
Every source row is accounted for: raw = clean + quarantine, and both tables hold the clean rows.

[bold]Where it is[/bold]
  lake       {settings.lake}
  Postgres   {_postgres(settings)}, schema {SCHEMA}
  warehouse  {_warehouse(settings)}

[bold]Look at it there[/bold]
  {there} make dev                  the asset graph, its runs and checks at http://127.0.0.1:3000
  {there} .venv/bin/taxi psql       the tables, for example: SELECT * FROM green_trips LIMIT 5;
  {there} .venv/bin/taxi status     which months are where

[bold]Then load a real month[/bold]
  make run DATASET=green MONTH={DEMO_MONTH}      from TLC, into {_shown(settings.home.parent)}
"""


def demo_settings() -> Settings:
    """The settings of the demo: the sample source, and a home and a Dagster instance below the usual home."""
    usual = {name: value for name, value in child_environment().items() if name != "DAGSTER_HOME"}
    home = Settings.from_environment(usual).home / _HOME
    return Settings.from_environment({**usual, "TAXI_SOURCE": "sample", "TAXI_HOME": str(home)})


def _postgres(settings: Settings) -> str:
    place = settings.postgres
    return f"embedded, data in {place.folder}" if isinstance(place, Embedded) else "that of TAXI_POSTGRES"


def _warehouse(settings: Settings) -> str:
    place = settings.warehouse
    if isinstance(place, BigQuery):
        return f"BigQuery, project {place.project}, dataset {place.dataset}"
    return f"{place.path}, schema {SCHEMA}"


def _shown(folder: Path) -> str:
    """The folder relative to the working directory, if it lies below it."""
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


if __name__ == "__main__":
    console.use_ascii_fallback()
    supervised(main)
