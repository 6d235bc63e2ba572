"""`make demo`: one month of every dataset from the built-in sample, through all stores, and what to do next."""

import os
import sys

from taxi_assets import running, terminal
from taxi_assets.batch import run_all
from taxi_assets.catalog import DATASETS, DEFAULT_RULES
from taxi_assets.definitions import build_definitions
from taxi_assets.interrupts import supervised
from taxi_assets.month import Month
from taxi_assets.places import SCHEMA
from taxi_assets.settings import EMBEDDED, Settings, load_env_file

DEMO_MONTH = Month(2024, 1)


def main() -> None:
    """Run the demo; the exit status is 0 only where everything was loaded."""
    load_env_file()
    settings = Settings.from_environment({**os.environ, "TAXI_SOURCE": "sample"})
    screen = terminal.Terminal()
    screen.console.print(
        f"\nLoading {DEMO_MONTH} of {', '.join(one.name for one in DATASETS)} and the zones "
        "from the built-in sample: made-up trips, shaped and soiled like TLC's, offline.\n"
    )
    requests = [
        running.zones_request(),
        *(running.month_request(dataset, DEMO_MONTH, DEFAULT_RULES) for dataset in DATASETS),
    ]
    definitions = build_definitions(settings, screen.loggers)
    with running.instance_of(settings) as instance, screen.running():
        outcomes = run_all(requests, definitions, instance, screen, lambda _: "make demo")
    screen.print_outcomes(outcomes)
    if not all(outcome.loaded for outcome in outcomes):
        sys.exit(1)
    postgres = f"embedded, data in {settings.postgres_folder}" if settings.postgres == EMBEDDED else "TAXI_POSTGRES"
    screen.console.print(
        f"""
Every source row is accounted for: raw = clean + quarantine, and both tables hold the clean rows.

[bold]Where it is[/bold]
  lake       {settings.lake}
  Postgres   {postgres}, schema {SCHEMA}
  warehouse  {settings.duckdb_path}, schema {SCHEMA}

[bold]What to try next[/bold]
  make dev                                      the asset graph, its runs and checks at http://127.0.0.1:3000
  .venv/bin/taxi psql                           look at the tables, for example: SELECT * FROM green_trips LIMIT 5;
  .venv/bin/taxi status                         which months are where
  make run DATASET=green MONTH={DEMO_MONTH}          the real month from TLC, in the place of the made-up one
""",
        soft_wrap=True,
    )


if __name__ == "__main__":
    terminal.write_plainly()
    supervised(main)
