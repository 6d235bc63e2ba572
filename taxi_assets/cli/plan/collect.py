"""Puts a plan together from the status, Dagster's records, the source and the audit log; loads nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from taxi_assets.automation.backfills import backfills_under_way, months_left
from taxi_assets.catalog import Dataset, dataset_named
from taxi_assets.cli.plan.costs import Cost, CostEstimator, total
from taxi_assets.cli.plan.download_sizes import download_sizes
from taxi_assets.cli.plan.earlier_loads import read_earlier_loads
from taxi_assets.cli.plan.months import Asked, months_to_load, not_published
from taxi_assets.cli.status.collect import read_status
from taxi_assets.cli.status.problems import Problem
from taxi_assets.month import Month
from taxi_assets.source import Source

_WITH_AUDIT_TABLE = ("postgres", "warehouse")


@dataclass(frozen=True)
class Group:
    """Consecutive months with the same reason to load them.

    Attributes:
        problem: the months, with their states and the rules to load them by.
        cost: of loading them.
    """

    problem: Problem
    cost: Cost

    @property
    def dataset(self) -> Dataset:
        """The months' dataset."""
        return dataset_named(self.problem.dataset)

    @property
    def months(self) -> list[Month]:
        """The months, oldest first."""
        return list(self.problem.first.until(self.problem.last))


@dataclass(frozen=True)
class Plan:
    """What would be loaded.

    Attributes:
        groups: the months to load, by dataset, oldest first.
        in_progress: months left out, since a run or a backfill is loading them.
        not_published: dataset -> months left out, since the source does not have them.
        stores: those that were asked.
        silent: store, or `source`, that does not answer -> error.
    """

    groups: Sequence[Group]
    in_progress: Sequence[Problem]
    not_published: Mapping[str, Sequence[Month]]
    stores: Sequence[str]
    silent: Mapping[str, str]

    @property
    def cost(self) -> Cost:
        """The cost of all groups."""
        return total(group.cost for group in self.groups)


def read_plan(
    instance: dg.DagsterInstance,
    stores: Mapping[str, Callable[[], Any]],
    source: Source,
    datasets: Sequence[Dataset],
    asked: Asked,
    *,
    asset_graph: Callable[[], Any],
    synthetic: bool,
    in_bigquery: bool,
) -> Plan:
    """The plan for these datasets.

    Args:
        instance: the Dagster instance.
        stores: name -> function that opens the store.
        source: asked for its published months and for the sizes of files.
        datasets: the datasets to include.
        asked: the months and the rules.
        asset_graph: returns the asset graph; called only if a backfill is under way.
        synthetic: whether the source's files are synthetic.
        in_bigquery: whether the warehouse is BigQuery.
    """
    status = read_status(instance, stores, source, datasets)
    asked = replace(asked, under_way=_under_way(instance, datasets, asset_graph))
    problems = [problem for one in status.datasets for problem in months_to_load(one, asked)]
    to_load = [problem for problem in problems if not problem.is_in_progress]
    wanted = [
        (dataset_named(problem.dataset), month) for problem in to_load for month in problem.first.until(problem.last)
    ]
    silent = dict(status.silent)
    sizes, error = download_sizes(source, wanted)
    if error is not None:
        silent.setdefault("source", error)
    earlier = read_earlier_loads(stores, instance, [one for one in _WITH_AUDIT_TABLE if one not in silent])
    estimator = CostEstimator(sizes, earlier, wanted, synthetic=synthetic, in_bigquery=in_bigquery)
    return Plan(
        groups=[_group(problem, estimator) for problem in to_load],
        in_progress=[problem for problem in problems if problem.is_in_progress],
        not_published={one.dataset.name: left for one in status.datasets if (left := not_published(one, asked))},
        stores=[store for store in status.stores if store not in status.silent],
        silent=silent,
    )


def _group(problem: Problem, estimator: CostEstimator) -> Group:
    dataset = dataset_named(problem.dataset)
    return Group(problem, total(estimator.cost(dataset, month) for month in problem.first.until(problem.last)))


def _under_way(
    instance: dg.DagsterInstance, datasets: Sequence[Dataset], asset_graph: Callable[[], Any]
) -> Mapping[str, set[Month]]:
    """Dataset -> months that a backfill is going to load."""
    found = backfills_under_way(instance)
    if not found:
        return {}
    graph = asset_graph()
    return {
        dataset.name: set().union(*(months_left(backfill, graph, dataset) for backfill in found))
        for dataset in datasets
    }
