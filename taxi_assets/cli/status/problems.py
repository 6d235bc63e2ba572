"""Months that need action, grouped, with the command to run next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from taxi_assets.cli.status.states import DatasetStatus, State
from taxi_assets.month import Month


@dataclass(frozen=True)
class Problem:
    """Consecutive months with the same states.

    Attributes:
        dataset: its name.
        first: the first month.
        last: the last month.
        states: store -> state, for the stores that need action.
        is_in_progress: whether each of them has a run in progress.
        why: store -> reasons, for stores in which they are stale.
        rules: the rules that they were cleaned by; None for the default set.
        failed_checks: store -> names of the blocking checks that found these months wrong there.
    """

    dataset: str
    first: Month
    last: Month
    states: Mapping[str, State]
    is_in_progress: bool
    why: Mapping[str, tuple[str, ...]]
    rules: tuple[str, ...] | None
    failed_checks: Mapping[str, Sequence[str]]

    @property
    def months(self) -> str:
        """The months as an argument of `taxi run`."""
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"

    @property
    def next_step(self) -> str:
        """The command to run next."""
        rules = "" if self.rules is None else f" --rules {','.join(self.rules)}"
        return "a run is under way" if self.is_in_progress else f"taxi run {self.dataset} {self.months}{rules}"


def problems_of(status: DatasetStatus) -> Iterator[Problem]:
    """The problems of a dataset, oldest month first; consecutive months with the same states are grouped."""

    def grouping_key(numbered: tuple[int, tuple[Month, Mapping[str, State]]]) -> tuple[object, ...]:
        number, (month, states) = numbered
        wrong = _wrong(status, month, states)
        reasons = tuple(_why(status, month, wrong).items())
        checks = tuple(_failed_checks(status, month, wrong).items())
        in_progress = month in status.in_progress
        return (month.plus(-number), tuple(wrong.items()), reasons, checks, in_progress, status.rules.get(month))

    for _, alike in groupby(enumerate(status.by_month()), grouping_key):
        months = [one for _, one in alike]
        (first, states), (last, _) = months[0], months[-1]
        wrong = _wrong(status, first, states)
        if wrong:
            yield Problem(
                status.dataset.name,
                first,
                last,
                wrong,
                first in status.in_progress,
                _why(status, first, wrong),
                status.rules.get(first),
                _failed_checks(status, first, wrong),
            )


def _wrong(status: DatasetStatus, month: Month, states: Mapping[str, State]) -> dict[str, State]:
    return {store: state for store, state in states.items() if status.is_problem(month, state)}


def _why(status: DatasetStatus, month: Month, wrong: Mapping[str, State]) -> dict[str, tuple[str, ...]]:
    return {store: status.why[month, store] for store in wrong if (month, store) in status.why}


def _failed_checks(status: DatasetStatus, month: Month, wrong: Mapping[str, State]) -> dict[str, Sequence[str]]:
    found = {
        store: status.failed_checks.get((month, store), ()) for store, state in wrong.items() if state is State.FAILED
    }
    return {store: tuple(names) for store, names in found.items() if names}
