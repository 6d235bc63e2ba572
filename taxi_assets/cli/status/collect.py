"""Queries the stores, the source and the Dagster instance in parallel, and combines the answers to a `Status`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import dagster as dg

from taxi_assets.automation.event_log import recent_runs
from taxi_assets.catalog import Dataset, Layer, Store
from taxi_assets.cli.status.failed_checks import FailedChecks, failed_checks
from taxi_assets.cli.status.history import History
from taxi_assets.cli.status.states import DatasetStatus, State, Status
from taxi_assets.errors import SourceUnavailable, TaxiError
from taxi_assets.month import Month
from taxi_assets.source import Source


class Catalogue(Protocol):
    """The one method that the status calls on a store."""

    def months(self, table: str) -> list[Month]: ...  # noqa: D102


@dataclass(frozen=True)
class _Collected:
    """The answers for one dataset; `published` is None if the source does not answer."""

    dataset: Dataset
    held: Mapping[str, set[Month]]
    published: set[Month] | None
    history: History
    failed_checks: FailedChecks

    def status(self) -> DatasetStatus:
        states = {
            (month, store): state
            for month in self._months()
            for store in self.held
            if (state := self._state(store, month)) is not None
        }
        why = {
            (month, store): self.history.why_stale(store, month)
            for (month, store), state in states.items()
            if state == State.STALE
        }
        loaded = self._held_somewhere() | self.history.cleaned
        return DatasetStatus(
            self.dataset,
            states,
            min(loaded, default=None),
            self.history.in_progress,
            why,
            self.history.recorded.rules(),
            self.failed_checks,
        )

    def _state(self, store: str, month: Month) -> State | None:
        if month in self.held[store]:
            if self.history.failed(store, month) or (month, store) in self.failed_checks:
                return State.FAILED
            return State.STALE if self.history.why_stale(store, month) else State.LOADED
        if self.published is not None and month not in self.published:
            return State.NOT_PUBLISHED
        if self.history.failed(store, month):
            return State.FAILED
        unknown = self.published is None and month > max(self._held_somewhere(), default=month)
        return None if unknown else State.MISSING

    def _months(self) -> list[Month]:
        """Every month from the dataset's first to the last one that any answer contains."""
        last_complete = Month.current().plus(-1)
        known = self._held_somewhere() | self.history.failed_months
        if self.published is not None:
            known |= self.published | {last_complete}
        return list(self.dataset.first_month.until(max(known))) if known else []

    def _held_somewhere(self) -> set[Month]:
        return set().union(*self.held.values())


def read_status(
    instance: dg.DagsterInstance,
    stores: Mapping[str, Callable[[], Catalogue]],
    source: Source,
    datasets: Sequence[Dataset],
) -> Status:
    """The states of the datasets in those stores; stores that do not answer are listed, without an error.

    Args:
        instance: the Dagster instance.
        stores: name -> function that opens the store.
        source: queried once for its published months.
        datasets: the datasets to include.
    """
    with ThreadPoolExecutor(len(stores) + len(datasets)) as threads:
        holding = {store: threads.submit(_held, store, opening, datasets) for store, opening in stores.items()}
        publishing = [threads.submit(_published, source, dataset) for dataset in datasets]
        runs = recent_runs(instance)
        histories = [History(instance, dataset, runs) for dataset in datasets]
        wrong = [failed_checks(instance, dataset) for dataset in datasets]
        held = {store: answer.result() for store, answer in holding.items()}
        published = [answer.result() for answer in publishing]
    silent = {store: answer for store, answer in held.items() if isinstance(answer, str)}
    for answer in published:
        if isinstance(answer, str):
            silent["source"] = answer
    statuses = [
        _Collected(
            dataset,
            {store: answer[dataset.name] for store, answer in held.items() if not isinstance(answer, str)},
            None if isinstance(months, str) else months,
            history,
            checks,
        ).status()
        for dataset, months, history, checks in zip(datasets, published, histories, wrong, strict=True)
    ]
    return Status(statuses, list(stores), silent)


def _held(name: str, opening: Callable[[], Catalogue], datasets: Iterable[Dataset]) -> Mapping[str, set[Month]] | str:
    """Dataset -> the months that the store has; or the error if it does not answer."""
    try:
        store = opening()
        return {dataset.name: set(store.months(_table_of(name, dataset))) for dataset in datasets}
    except TaxiError as error:
        return str(error)


def _table_of(store: str, dataset: Dataset) -> str:
    """The store's name for the dataset's clean rows."""
    return dataset.path(Layer.CLEAN) if store == Store.LAKE else dataset.table


def _published(source: Source, dataset: Dataset) -> set[Month] | str:
    from taxi_assets.source import published_months

    try:
        return published_months(source, dataset)
    except SourceUnavailable as error:
        return str(error)
