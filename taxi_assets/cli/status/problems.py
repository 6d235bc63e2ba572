"""Months that somebody should see to, with what to do next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from taxi_assets.cli.status.states import DatasetStatus, State
from taxi_assets.month import Month


@dataclass(frozen=True)
class Problem:
    """Months in a row that are in the same trouble.

    Attributes:
        dataset: its name.
        first: month.
        last: month.
        states: store -> what is wrong there; without stores where all is well.
        is_in_progress: whether a run is queued for each of them, or works on it.
    """

    dataset: str
    first: Month
    last: Month
    states: Mapping[str, State]
    is_in_progress: bool

    @property
    def months(self) -> str:
        """As `taxi run` takes them."""
        return str(self.first) if self.first == self.last else f"{self.first}..{self.last}"

    @property
    def next_step(self) -> str:
        """What to do about it."""
        return "a run is under way" if self.is_in_progress else f"taxi run {self.dataset} {self.months}"


def problems_of(status: DatasetStatus) -> Iterator[Problem]:
    """The problems of a dataset, oldest month first; months in a row with the same one are told together."""

    def trouble(numbered: tuple[int, tuple[Month, Mapping[str, State]]]) -> tuple[object, ...]:
        number, (month, states) = numbered
        wrong = _wrong(status, month, states)
        return (month.plus(-number), tuple(wrong.items()), month in status.in_progress)

    for _, alike in groupby(enumerate(status.by_month()), trouble):
        months = [one for _, one in alike]
        (first, states), (last, _) = months[0], months[-1]
        wrong = _wrong(status, first, states)
        if wrong:
            yield Problem(status.dataset.name, first, last, wrong, first in status.in_progress)


def _wrong(status: DatasetStatus, month: Month, states: Mapping[str, State]) -> dict[str, State]:
    return {store: state for store, state in states.items() if status.is_problem(month, state)}
