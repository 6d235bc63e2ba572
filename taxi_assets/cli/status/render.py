"""Terminal output of `taxi status`: a row a year, a column a month, a symbol a state, and the next commands."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_assets.cli.status.problems import Problem, problems_of
from taxi_assets.cli.status.states import PROBLEMS, DatasetStatus, State, Status, StatusFilter
from taxi_assets.month import Month

_PROBLEM_LINES = 10
_INITIALS = "JFMAMJJASOND"
_SYMBOLS = {
    State.LOADED: ("●", "green", "loaded"),
    State.STALE: ("◐", "yellow", "stale"),
    State.FAILED: ("✗", "red", "failed"),
    State.MISSING: ("○", "magenta", "missing though published"),
    State.NOT_PUBLISHED: ("·", "dim", "not published"),
}


def print_status(console: Console, status: Status, shown: StatusFilter) -> None:
    """Print the status; `shown` is the filter that it was selected by."""
    begun = [_print_dataset(console, one, status.stores, shown) for one in status.datasets]
    if any(begun):
        console.print(_legend(), style="dim")
    for one in status.datasets:
        _print_problems(console, one, status, everything=shown.states is not None)
    for name, why in status.silent.items():
        console.print(f"[red]{name} does not answer[/red]: {escape(why)}")


def _print_dataset(console: Console, status: DatasetStatus, stores: Sequence[str], shown: StatusFilter) -> bool:
    name = status.dataset.name
    begun = status.first_loaded or next((problem.first for problem in problems_of(status)), None)
    if begun is None:
        console.print(f"{name}: nothing loaded yet")
        return False
    cells = {
        key: state for key, state in status.states.items() if shown.months is not None or key[0].year >= begun.year
    }
    last_year = max((key[0].year for key, state in cells.items() if state != State.NOT_PUBLISHED), default=begun.year)
    years = [year for year in sorted({month.year for month, _ in cells}) if shown.months or year <= last_year]
    if not years:
        console.print(f"{name}: no such month")
        return False
    answering = [store for store in stores if any(one == store for _, one in cells)]
    console.print(_title(status, begun))
    table = Table(padding=(0, 1, 0, 0), box=None)
    for heading in ("", "", *_INITIALS):
        table.add_column(heading)
    for year in years:
        for number, (label, row) in enumerate(_rows(cells, year, answering)):
            table.add_row("" if number else str(year), label, *row)
    console.print(table)
    return True


def _title(status: DatasetStatus, begun: Month) -> str:
    loaded = {month for (month, _), state in status.states.items() if state in (State.LOADED, State.STALE)}
    text = f"{status.dataset.name}: {len(loaded)} month{'' if len(loaded) == 1 else 's'} loaded"
    before = status.dataset.first_month
    return f"{text}; nothing before {begun}" if begun.year > before.year else text


def _rows(
    cells: Mapping[tuple[Month, str], State], year: int, stores: Sequence[str]
) -> list[tuple[str, tuple[str, ...]]]:
    """A row for each store, or one row if all are equal."""
    rows = [
        (store, tuple(_symbol(cells.get((Month(year, number), store))) for number in range(1, 13))) for store in stores
    ]
    if len(rows) > 1 and len({row for _, row in rows}) == 1:
        return [("all stores", rows[0][1])]
    return rows


def _symbol(state: State | None) -> str:
    if state is None:
        return " "
    symbol, style, _ = _SYMBOLS[state]
    return f"[{style}]{symbol}[/{style}]"


def _legend() -> str:
    return "  ".join(f"{symbol} {words}" for symbol, _, words in _SYMBOLS.values())


def _print_problems(console: Console, one: DatasetStatus, status: Status, *, everything: bool) -> None:
    problems = list(problems_of(one))
    listed = problems if everything else problems[:_PROBLEM_LINES]
    answering = [store for store in status.stores if store not in status.silent]
    for problem in listed:
        console.print(
            f"{problem.dataset} {problem.months} {wording(problem, answering)}: {problem.next_step}", soft_wrap=True
        )
    left = len(problems) - len(listed)
    if left:
        command = f"taxi status {one.dataset.name} --state {','.join(PROBLEMS)}"
        console.print(f"and {left} more: {command}", soft_wrap=True)


def wording(problem: Problem, stores: Sequence[str]) -> str:
    """For example `missing`, if all stores have that state, or `failed in postgres, stale (rules changed) in lake`.

    Stores that are failed since a check found the month wrong there are named with it: `check equals_clean failed in
    postgres`.
    """
    alike: dict[tuple[State, tuple[str, ...]], list[str]] = {}
    by_check: dict[str, list[str]] = {}
    for store, state in problem.states.items():
        names = problem.failed_checks.get(store, ())
        if not names:
            alike.setdefault((state, problem.why.get(store, ())), []).append(store)
        for name in names:
            by_check.setdefault(name, []).append(store)
    parts = []
    for (state, why), where in alike.items():
        words = f"{state} ({', '.join(why)})" if why else str(state)
        text = f"{words} in {' and '.join(where)}" if len(where) < len(stores) or len(stores) == 1 else words
        parts.append(f"[{_SYMBOLS[state][1]}]{text}[/{_SYMBOLS[state][1]}]")
    for name, where in by_check.items():
        parts.append(f"[red]check {name} failed in {' and '.join(where)}[/red]")
    return ", ".join(parts)
