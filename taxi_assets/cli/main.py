"""The `taxi` command line, in click: arguments and exit statuses of every subcommand.

It works on the same definitions and Dagster instance as the UI. Results are computed and printed in the other modules
of `cli`.
"""

import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taxi_assets.automation.run_worker import report_dead_runs
from taxi_assets.catalog import DATASETS, DEFAULT_RULES, ZONES_TABLE, dataset_named, select_rules
from taxi_assets.cli import console, exit_statuses, explain, interrupts, runs
from taxi_assets.cli.batch import run_all
from taxi_assets.cli.plan_commands import backfill, plan
from taxi_assets.cli.status import STORES, State, StatusFilter, as_json, print_status, read_status
from taxi_assets.errors import InvalidRequest, SliceMissing, TaxiError
from taxi_assets.month import Month
from taxi_assets.settings import SCHEMA, Settings, child_environment, export, load_env_file
from taxi_assets.source import open_source
from taxi_assets.source.data_kind import SourceRecord
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.factory import LOAD_LOG, dsn_of, opened_stores
from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.stores.load_log import Line

ZONES = "zones"


@click.group(cls=exit_statuses.Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """New York's taxi trip records, loaded month by month into a lake, Postgres and a warehouse."""
    load_env_file()


@main.command()
@click.argument("dataset")
@click.argument("months", required=False)
@click.option("--source", metavar="URL", help="Where the files come from: a URL, a folder, or `sample`.")
@click.option("--rules", metavar="A,B", help="Rules that send a row to quarantine, instead of the default ones.")
@click.option("--accept-shrunk", is_flag=True, help="Load a month even if it lost most of its rows.")
def run(dataset: str, months: str | None, source: str | None, rules: str | None, accept_shrunk: bool) -> None:
    """Load months of a dataset into every store: `taxi run green 2024-01..2024-06`, or `taxi run zones`.

    The exit status is 0 only if every requested month was loaded.
    """
    from taxi_assets.definitions import build_definitions  # slow import

    settings = _settings(source)
    requests = _requests(settings, dataset, months, rules, accept_shrunk=accept_shrunk)
    if dataset != ZONES:
        requests = [*runs.zones_requests(settings), *requests]
    screen = console.Terminal()
    definitions = build_definitions(settings, screen.loggers)
    options = [f"--source {shlex.quote(source)}"] if source and "@" not in source else []  # the URL may hold a password
    options += [f"--rules {shlex.quote(rules)}"] if rules else []
    options += ["--accept-shrunk"] if accept_shrunk else []
    with runs.instance_of(settings) as instance, screen.running():
        outcomes = run_all(requests, definitions, instance, screen, partial(_command, "run", dataset, options))
    screen.print_outcomes(outcomes)
    sys.exit(0 if all(outcome.succeeded for outcome in outcomes) else 1)


@main.command()
@click.argument("dataset")
@click.argument("months")
def check(dataset: str, months: str) -> None:
    """Compare the tables with the lake, and check data quality: `taxi check green 2024-01..2024-06`.

    Loads nothing. The exit status is 0 only if every table equals the lake.
    """
    from taxi_assets.definitions import build_definitions

    chosen = dataset_named(dataset)
    settings = _settings()
    screen = console.Terminal()
    definitions = build_definitions(settings, screen.loggers)
    with runs.instance_of(settings) as instance, screen.running():
        requests = [runs.checks_request(chosen, month) for month in Month.parse_range(months)]
        outcomes = run_all(requests, definitions, instance, screen, partial(_command, "check", dataset, []))
    screen.print_check_results(outcomes)
    sys.exit(0 if all(outcome.loaded for outcome in outcomes) else 1)


@main.command(name="status")
@click.argument("dataset", required=False)
@click.argument("months", required=False)
@click.option("--state", "states", metavar="A,B", help=f"Only months in these states: {', '.join(State)}.")
@click.option("--store", "store", type=click.Choice(STORES), help="Only this store; the others are not queried.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document instead; see docs/status.md.")
def show_status(
    dataset: str | None, months: str | None, states: str | None, store: str | None, as_document: bool
) -> None:
    """Show which months are loaded, stale, failed or missing, by store: `taxi status green 2024-01..2024-06`.

    The exit status is 1 if a shown month is failed, stale, or missing though published and later than the dataset's
    first loaded month, and if a store or the source does not answer; otherwise it is 0.
    """
    shown = StatusFilter(
        Month.parse_range(months) if months else None, _states(states), (store,) if store is not None else STORES
    )
    settings = _settings()
    chosen = [dataset_named(dataset)] if dataset else DATASETS
    with runs.instance_of(settings) as instance, opened_stores(settings, shown.stores) as stores:
        report_dead_runs(instance)
        status = read_status(instance, stores, open_source(settings.source, retry=False), chosen).only(shown)
    synthetic = bool(SourceRecord(settings.source_record).is_synthetic())
    if as_document:
        click.echo(as_json(status, synthetic=synthetic))
    else:
        screen = console.Terminal()
        screen.print_synthetic_notice(settings.home, synthetic=synthetic)
        print_status(screen.console, status, shown)
    sys.exit(0 if status.is_healthy else 1)


@main.command(name="explain")
@click.argument("dataset")
@click.argument("month")
@click.argument("row", type=click.IntRange(min=0))
@click.option("--json", "as_document", is_flag=True, help="One JSON document instead; see docs/status.md.")
def explain_row(dataset: str, month: str, row: int, as_document: bool) -> None:
    """Show a source row, the rules that it broke, and where it is stored: `taxi explain green 2024-01 17`.

    ROW is the row's position in TLC's file, counted from 0: the column source_row of every table and of quarantine.
    """
    with opened_stores(_settings(), STORES) as stores:
        found = explain.explain(stores, dataset_named(dataset), Month.parse(month), row)
    if as_document:
        click.echo(explain.as_json(found))
    else:
        explain.print_explanation(console.Terminal().console, found)
    sys.exit(0 if found.all_stores_answered else 1)


@main.command(name="diff", cls=exit_statuses.DiffCommand)
@click.argument("dataset")
@click.argument("month")
@click.option("--rules", metavar="A,B", help="Rules that send a row to quarantine, instead of the default ones.")
@click.option("--json", "as_document", is_flag=True, help="One JSON document instead; see docs/diff.md.")
def show_diff(dataset: str, month: str, rules: str | None, as_document: bool) -> None:
    """Show what loading a month again, by these rules, would change: `taxi diff green 2024-01 --rules no_distance`.

    Cleans the file that the lake has, and stores nothing. As with diff(1), the exit status is 0 if no row would change,
    1 if some would, and 2 after an error.
    """
    from taxi_assets.cli import diff

    chosen, settings = dataset_named(dataset), _settings()
    names = tuple(rules.split(",")) if rules else DEFAULT_RULES
    with (
        opened_stores(settings, ["lake"]) as stores,
        scratch_folder(settings.scratch) as scratch,
        diff.reading_progress() as progress,
    ):
        found = diff.month_diff(stores["lake"](), chosen, Month.parse(month), names, scratch=scratch, progress=progress)
    if as_document:
        click.echo(diff.as_json(found))
    else:
        diff.print_diff(console.Terminal().console, found)
    sys.exit(0 if found.is_empty else 1)


@main.command()
@click.argument("dataset")
@click.argument("month", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead; see docs/audit.md.")
def audit(dataset: str, month: str | None, as_json: bool) -> None:
    """Show a month's load history: every version that was loaded, what started the run, and what changed.

    `taxi audit green 2024-01`, or `taxi audit zones`. The exit status is 1 if nothing was ever loaded.
    """
    from rich.console import Console

    from taxi_assets.cli.audit.load_versions import versions_of
    from taxi_assets.cli.audit.render import print_load_history

    name = f"{dataset} {month or ''}".strip()
    piece = _audited(dataset, month)
    lines, silent = _lines_and_silent_stores(piece)
    versions = versions_of(lines)
    if not versions:
        why = "".join(f". The audit log of {store} does not answer: {text}" for store, text in silent.items())
        raise SliceMissing(f"no load of {name} is in the audit logs; to load it: taxi run {name}{why}")
    settings = _settings()
    synthetic = bool(SourceRecord(settings.source_record).is_synthetic())
    if as_json:
        document = {
            "dataset": dataset,
            "month": month,
            "synthetic": synthetic,
            "versions": [one.as_json() for one in versions],
            "silent": silent,
        }
        click.echo(json.dumps(document, indent=2))
    else:
        console.Terminal().print_synthetic_notice(settings.home, synthetic=synthetic)
        print_load_history(Console(highlight=False), name, versions, silent)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the Postgres that holds the tables; arguments go to psql, as in `taxi psql -c "SELECT 1"`."""
    from taxi_assets.stores.postgres.embedded import PSQL
    from taxi_assets.stores.postgres.psql import start_psql

    url = dsn_of(_settings().postgres)
    with (
        start_psql(PSQL, url, SCHEMA, arguments, child_environment()) as process,
        interrupts.forward_signals_to(process),
    ):
        status = process.wait()
    sys.exit(status if status >= 0 else 128 - status)


@main.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="On 127.0.0.1.")
def dev(port: int) -> None:
    """Start the Dagster UI, with the daemon that runs backfills, sensors and schedules; Ctrl-C stops both."""
    from taxi_assets.cli.dev import DAEMON_SECONDS, HOST, exec_server

    settings, environment = _settings(), child_environment()
    ui = environment.get("TAXI_UI_URL") or f"http://{HOST}:{port}"  # for the links in alerts
    seconds = {name: environment.get(name, usual) for name, usual in DAEMON_SECONDS.items()}
    export(TAXI_UI_URL=ui, DAGSTER_HOME=str(settings.dagster_home), **seconds)
    exec_server(settings, port)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--rows", default=None, type=click.IntRange(min=1), help="Rows in each file.")
def sample(folder: Path, rows: int | None) -> None:
    """Write synthetic files of every era, with every kind of defect, in the layout of TLC's CDN."""
    from taxi_assets.sample import DEFAULT_ROWS, write_tree

    for path in write_tree(folder, rows=rows or DEFAULT_ROWS):
        click.echo(path)


main.add_command(plan)
main.add_command(backfill)


def _settings(source: str | None = None) -> Settings:
    if source:
        export(TAXI_SOURCE=source)  # not in the run config, which would record a password in it
    return Settings.from_environment()


def _requests(
    settings: Settings, dataset: str, months: str | None, rules: str | None, *, accept_shrunk: bool
) -> list[runs.Request]:
    if dataset == ZONES:
        if months or rules or accept_shrunk:
            raise InvalidRequest("the zones have neither months nor rules: taxi run zones")
        return [runs.zones_request()]
    chosen = dataset_named(dataset)
    if months is None:
        raise InvalidRequest(f"say which month: taxi run {dataset} {chosen.eras[-1].since}")
    names = tuple(rules.split(",")) if rules else DEFAULT_RULES
    select_rules(chosen, names)
    asked = Month.parse_range(months)
    runs.require_month(settings, chosen, asked[0])
    runs.require_month(settings, chosen, asked[-1])
    return [runs.month_request(chosen, month, names, accept_shrunk=accept_shrunk) for month in asked]


def _command(name: str, dataset: str, options: Sequence[str], requests: Sequence[runs.Request]) -> str:
    """The command line that executes these requests, which are consecutive months or the zones."""
    asked = [request.name.split()[-1] for request in requests if request.is_required]
    first, last = asked[0], asked[-1]
    months = [] if dataset == ZONES else [first if first == last else f"{first}..{last}"]
    return " ".join(["taxi", name, dataset, *months, *options])


def _audited(dataset: str, month: str | None) -> TableSlice:
    if dataset == ZONES:
        return TableSlice(ZONES_TABLE)
    if month is None:
        raise InvalidRequest(f"say which month: taxi audit {dataset} {dataset_named(dataset).eras[-1].since}")
    return TableSlice(dataset_named(dataset).table, Month.parse(month))


def _lines_and_silent_stores(piece: TableSlice) -> tuple[list["Line"], dict[str, str]]:
    """The slice's lines in the audit tables; and store -> error, for stores that do not answer."""
    from taxi_assets.stores.load_log import lines_of

    lines: list[Line] = []
    silent = {}
    with opened_stores(_settings(), ("postgres", "warehouse")) as stores:
        for store, opened in stores.items():
            try:
                lines += lines_of(opened(), LOAD_LOG, piece)
            except TaxiError as error:
                silent[store] = str(error)
    return lines, silent


def _states(text: str | None) -> set[State] | None:
    if text is None:
        return None
    try:
        return {State(name) for name in text.split(",")}
    except ValueError as error:
        raise click.BadParameter(f"{error}: the states are {', '.join(State)}", param_hint="--state") from error
