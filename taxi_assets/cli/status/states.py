"""What a month of a dataset can be in a store, and the whole matrix of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from taxi_assets.catalog import Dataset, Store
from taxi_assets.month import Month

STORES = tuple(store.value for store in Store)


class State(StrEnum):
    """What a month is in a store.

    `loaded`: there, and made from the newest file. `stale`: there, but made from an older file, or cleaned by other
    rules than the lake's month. `failed`: its newest run failed before it replaced the month there. `missing`: the
    source has it and the store does not. `not_published`: the source does not have it yet.
    """

    LOADED = "loaded"
    STALE = "stale"
    FAILED = "failed"
    MISSING = "missing"
    NOT_PUBLISHED = "not_published"


PROBLEMS = (State.FAILED, State.STALE, State.MISSING)


@dataclass(frozen=True)
class Shown:
    """What somebody wants to see of the matrix; None means all.

    Attributes:
        months: in order.
        states: with at least one.
        stores: in the order of `STORES`.
    """

    months: Sequence[Month] | None = None
    states: Collection[State] | None = None
    stores: Sequence[str] = STORES


@dataclass(frozen=True)
class DatasetStatus:
    """The states of one dataset.

    Attributes:
        dataset: which one.
        states: by month and store, oldest month first; without what nobody can tell.
        first_loaded: the first month that was ever loaded; None where nothing was.
        in_progress: months that a run is queued for, or works on.
    """

    dataset: Dataset
    states: Mapping[tuple[Month, str], State]
    first_loaded: Month | None
    in_progress: Collection[Month]

    def by_month(self) -> Iterator[tuple[Month, Mapping[str, State]]]:
        """Every month with its state in each store that answered."""
        for month, cells in groupby(self.states.items(), lambda cell: cell[0][0]):
            yield month, {store: state for (_, store), state in cells}

    def is_problem(self, month: Month, state: State) -> bool:
        """Whether somebody should see to it: what lies before the first loaded month was never begun."""
        if state == State.MISSING:
            return self.first_loaded is not None and month >= self.first_loaded
        return state in PROBLEMS

    def only(self, shown: Shown) -> "DatasetStatus":
        """The part that somebody wants to see."""
        kept = {
            (month, store): state
            for (month, store), state in self.states.items()
            if (shown.months is None or month in shown.months) and (shown.states is None or state in shown.states)
        }
        return DatasetStatus(self.dataset, kept, self.first_loaded, self.in_progress)


@dataclass(frozen=True)
class Status:
    """The states of the datasets that were asked for.

    Attributes:
        datasets: one after the other.
        stores: those that were asked.
        silent: store, or `source`, that does not answer -> why.
    """

    datasets: Sequence[DatasetStatus]
    stores: Sequence[str]
    silent: Mapping[str, str]

    def only(self, shown: Shown) -> "Status":
        """The part that somebody wants to see."""
        return Status([one.only(shown) for one in self.datasets], self.stores, self.silent)

    @property
    def is_well(self) -> bool:
        """Whether everybody answered and nothing is failed, stale, or missing though it was begun."""
        return not self.silent and not any(
            one.is_problem(month, state) for one in self.datasets for (month, _), state in one.states.items()
        )
