"""The commands `taxi plan` and `taxi backfill`: arguments and exit statuses."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from taxi_assets.automation.run_worker import report_dead_runs
from taxi_assets.catalog import DATASETS, dataset_named, select_rules
from taxi_assets.cli import console, interrupts, runs
from taxi_assets.cli.status import STORES
from taxi_assets.month import Month
from taxi_assets.settings import Settings
from taxi_assets.settings.places import BigQuery
from taxi_assets.source import open_source
from taxi_assets.source.data_kind import SourceRecord
from taxi_assets.stores.factory import opened_stores

if TYPE_CHECKING:
    import dagster as dg

    from taxi_assets.cli.backfill import Submitted
    from taxi_assets.cli.plan import Plan

_RULES = "Rules to clean by, instead of those that each month was cleaned by, or else the default ones."


@dataclass(frozen=True)
class _Planned:
    settings: Settings
    instance: "dg.DagsterInstance"
    plan: "Plan"
    synthetic: bool


@click.command()
@click.argument("dataset", required=False)
@click.argument("months", required=False)
@click.option("--rules", metavar="A,B", help=_RULES)
@click.option("--json", "as_document", is_flag=True, help="One JSON document instead; see docs/status.md.")
def plan(dataset: str | None, months: str | None, rules: str | None, as_document: bool) -> None:
    """Show which months are missing, stale or failed, why, and what loading them costs: `taxi plan green`.

    Loads nothing; `taxi backfill` with the same arguments submits it. Without MONTHS, missing months count from the
    first loaded one on. The exit status is 1 if a store or the source does not answer.
    """
    from taxi_assets.cli.plan import as_json, print_plan

    with _planned(dataset, months, rules) as planned:
        pass
    if as_document:
        click.echo(as_json(planned.plan, synthetic=planned.synthetic))
    else:
        screen = console.Terminal()
        screen.print_synthetic_notice(planned.settings.home, synthetic=planned.synthetic)
        options = [] if rules is None else ["--rules", rules]
        command = ["taxi", "backfill", *(one for one in (dataset, months) if one is not None), *options]
        print_plan(screen.console, planned.plan, " ".join(command))
    sys.exit(1 if planned.plan.silent else 0)


@click.command()
@click.argument("dataset", required=False)
@click.argument("months", required=False)
@click.option("--rules", metavar="A,B", help=_RULES)
@click.option("--watch", is_flag=True, help="Show each month when it is loaded; Ctrl-C ends this, not the backfill.")
def backfill(dataset: str | None, months: str | None, rules: str | None, watch: bool) -> None:
    """Submit what `taxi plan` shows to the running daemon, as backfills: `taxi backfill green 2024-01..2024-06`.

    The daemon is that of `make dev` (or `taxi dev`), or of the services in deploy/. With --watch, the exit status is 0
    only if every month was loaded.
    """
    from taxi_assets.cli import backfill as backfills
    from taxi_assets.cli.plan.render import print_left_out

    with _planned(dataset, months, rules) as planned:
        screen, instance, ui = console.Terminal().console, planned.instance, planned.settings.ui
        print_left_out(screen, planned.plan)
        if not planned.plan.groups and not planned.plan.silent:
            screen.print("nothing to load")
            return
        backfills.require_submittable(planned.plan, instance, planned.settings)
        submitted: list[Submitted] = []
        with interrupts.on_interrupt(lambda _: backfills.print_interrupted(screen, submitted)):
            for one in backfills.submit(instance, planned.plan, partial(_asset_graph, planned.settings)):
                submitted.append(one)
                backfills.print_submitted(screen, one, ui)
            if watch:
                sys.exit(0 if backfills.watch(screen, instance, submitted) else 1)


@contextmanager
def _planned(dataset: str | None, months: str | None, rules: str | None) -> Iterator[_Planned]:
    """The plan for these arguments, and the instance as long as the context is open."""
    from taxi_assets.cli.plan import Asked, read_plan

    settings = Settings.from_environment()
    chosen = DATASETS if dataset is None else (dataset_named(dataset),)
    asked = None if months is None else Month.parse_range(months)
    names = None if rules is None else tuple(rules.split(","))
    for one in chosen:
        select_rules(one, names or ())
        if asked is not None:
            one.era(asked[0])
    synthetic = bool(SourceRecord(settings.source_record).is_synthetic())
    with runs.instance_of(settings) as instance, opened_stores(settings, STORES) as stores:
        report_dead_runs(instance)
        found = read_plan(
            instance,
            stores,
            open_source(settings.source, retry=False),
            chosen,
            Asked(asked, names),
            asset_graph=partial(_asset_graph, settings),
            synthetic=synthetic,
            in_bigquery=isinstance(settings.warehouse, BigQuery),
        )
        yield _Planned(settings, instance, found, synthetic)


def _asset_graph(settings: Settings) -> Any:
    from taxi_assets.definitions import build_definitions  # slow import

    return build_definitions(settings).get_repository_def().asset_graph
