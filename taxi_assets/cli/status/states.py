"""The states of a month in a store, and the matrix of datasets, months and stores."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby

from taxi_assets.catalog import Dataset, Store
from taxi_assets.cli.status.failed_checks import FailedChecks
from taxi_assets.month import Month

STORES = tuple(store.value for store in Store)


class State(StrEnum):
    """The state of a month in a store.

    `loaded`: there, and made from the newest file by the current catalogue. `stale`: there, but made from an older
    file, by other rules than the lake's month, or by rules or columns that have changed since. `failed`: its newest run
    failed before it replaced the month there, or the newest result of a blocking check says that the month there is
    wrong. `missing`: the source has it and the store does not. `not_published`: the source does not have it yet.
    """

    LOADED = "loaded"
    STALE = "stale"
    FAILED = "failed"
    MISSING = "missing"
    NOT_PUBLISHED = "not_published"


PROBLEMS = (State.FAILED, State.STALE, State.MISSING)


@dataclass(frozen=True)
class StatusFilter:
    """A selection of the matrix; None selects all.

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
        dataset: the dataset.
        states: by month and store, oldest month first; unknown states are left out.
        first_loaded: the first month that was ever loaded; None if there is none.
        in_progress: months with a run that is queued, starting, started or canceling.
        why: reasons of the stale ones, for example `rules changed`, by month and store.
        rules: month -> names of the rules that its rows in the lake were cleaned by; None for the default set. Months
            of which Dagster has no record are left out.
        failed_checks: month and store -> names of the blocking checks whose newest result failed.
    """

    dataset: Dataset
    states: Mapping[tuple[Month, str], State]
    first_loaded: Month | None
    in_progress: Collection[Month]
    why: Mapping[tuple[Month, str], tuple[str, ...]] = field(default_factory=dict)
    rules: Mapping[Month, tuple[str, ...] | None] = field(default_factory=dict)
    failed_checks: FailedChecks = field(default_factory=dict)

    def by_month(self) -> Iterator[tuple[Month, Mapping[str, State]]]:
        """Every month with its state in each store that answered."""
        for month, cells in groupby(self.states.items(), lambda cell: cell[0][0]):
            yield month, {store: state for (_, store), state in cells}

    def is_problem(self, month: Month, state: State) -> bool:
        """Whether action is needed; months before the first loaded one are no problem."""
        if state == State.MISSING:
            return self.first_loaded is not None and month >= self.first_loaded
        return state in PROBLEMS

    def only(self, shown: StatusFilter) -> "DatasetStatus":
        """The selected part."""
        kept = {
            (month, store): state
            for (month, store), state in self.states.items()
            if (shown.months is None or month in shown.months) and (shown.states is None or state in shown.states)
        }
        return replace(self, states=kept)


@dataclass(frozen=True)
class Status:
    """The states of the requested datasets.

    Attributes:
        datasets: in order.
        stores: the queried stores.
        silent: store, or `source`, that does not answer -> error.
    """

    datasets: Sequence[DatasetStatus]
    stores: Sequence[str]
    silent: Mapping[str, str]

    def only(self, shown: StatusFilter) -> "Status":
        """The selected part."""
        return Status([one.only(shown) for one in self.datasets], self.stores, self.silent)

    @property
    def is_healthy(self) -> bool:
        """Whether every store and the source answered and no month needs action."""
        return not self.silent and not any(
            one.is_problem(month, state) for one in self.datasets for (month, _), state in one.states.items()
        )
