"""Which months a plan has: those that `taxi status` says need action, or those of them that were asked for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from taxi_assets.catalog import DEFAULT_RULES, Dataset, select_rules
from taxi_assets.cli.status.history import RULES_DIFFER
from taxi_assets.cli.status.problems import Problem, problems_of
from taxi_assets.cli.status.states import DatasetStatus, State
from taxi_assets.month import Month


@dataclass(frozen=True)
class Asked:
    """What a plan was asked for.

    Attributes:
        months: None for every month that needs action: as in `taxi status`, missing ones after the first loaded one.
        rules: names of the rules to clean by; None for those that each month was cleaned by, or else the default set.
        under_way: dataset -> months that a backfill is going to load, which are left out.
    """

    months: Sequence[Month] | None = None
    rules: Sequence[str] | None = None
    under_way: Mapping[str, Collection[Month]] = field(default_factory=dict)


def months_to_load(status: DatasetStatus, asked: Asked) -> list[Problem]:
    """The months to load and those that a run or a backfill is loading now, grouped; `rules` are those to load by."""
    under_way = asked.under_way.get(status.dataset.name, ())
    chosen = replace(status, in_progress={*status.in_progress, *under_way})
    if asked.months is not None:
        states = {cell: state for cell, state in status.states.items() if cell[0] in asked.months}
        chosen = replace(chosen, states=states, first_loaded=status.dataset.first_month)
    if asked.rules is not None:
        chosen = _by_rules(chosen, asked.rules)
    return list(problems_of(chosen))


def not_published(status: DatasetStatus, asked: Asked) -> list[Month]:
    """The months that were asked for and that the source does not have, as far as it answers."""
    known = dict(status.by_month())
    return [
        month
        for month in asked.months or ()
        if State.NOT_PUBLISHED in known.get(month, {"": State.NOT_PUBLISHED}).values()
    ]


def _by_rules(status: DatasetStatus, rules: Sequence[str]) -> DatasetStatus:
    """The status in which months that were cleaned by other rules are stale."""
    stale = dict(_cells_of_other_rules(status, rules))
    to_load_by = None if _same_rules(status.dataset, rules, None) else tuple(rules)
    return replace(
        status,
        states={**status.states, **dict.fromkeys(stale, State.STALE)},
        why={**status.why, **stale},
        rules={month: to_load_by for month, _ in status.states},
    )


def _cells_of_other_rules(
    status: DatasetStatus, rules: Sequence[str]
) -> Iterator[tuple[tuple[Month, str], tuple[str, ...]]]:
    for cell, state in status.states.items():
        month = cell[0]
        if (
            state in (State.LOADED, State.STALE)
            and month in status.rules
            and not _same_rules(status.dataset, rules, status.rules[month])
        ):
            others = (reason for reason in status.why.get(cell, ()) if reason != RULES_DIFFER)
            yield cell, (*others, RULES_DIFFER)


def _same_rules(dataset: Dataset, one: Sequence[str], other: Sequence[str] | None) -> bool:
    return select_rules(dataset, one) == select_rules(dataset, DEFAULT_RULES if other is None else other)
