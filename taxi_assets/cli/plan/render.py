"""Terminal output of `taxi plan`: a line for months in a row, the total, what is left out, and the next command."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_assets.cli.plan.collect import Plan
from taxi_assets.cli.plan.costs import Cost
from taxi_assets.cli.status.render import wording
from taxi_assets.month import Month

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def print_plan(console: Console, plan: Plan, command: str) -> None:
    """Print the plan.

    Args:
        console: the terminal.
        plan: the plan.
        command: submits it, for example `taxi backfill green`.
    """
    if plan.groups:
        console.print(_table(plan))
        for line in (*_rules(plan), *_notes(plan.cost)):
            console.print(line, style="dim", soft_wrap=True)
        console.print(f"to load it: {escape(command)}", soft_wrap=True)
    else:
        console.print("nothing to load")
    print_left_out(console, plan)


def print_left_out(console: Console, plan: Plan) -> None:
    """Print which months are left out and why, and which store or source does not answer."""
    for problem in plan.in_progress:
        console.print(f"left out: {problem.dataset} {problem.months}: a run or a backfill is under way", soft_wrap=True)
    for dataset, months in plan.not_published.items():
        console.print(f"left out: {dataset} {', '.join(_ranges(months))}: not published yet", soft_wrap=True)
    for name, why in plan.silent.items():
        console.print(f"[red]{name} does not answer[/red]: {escape(why)}")


def _table(plan: Plan) -> Table:
    table = Table(padding=(0, 2, 0, 0), box=None, show_footer=True)
    cost = plan.cost
    table.add_column("", footer="total")
    table.add_column("why", overflow="fold")
    table.add_column("files", justify="right", footer=str(cost.files))
    for heading, number in zip(("download", "rows", "time"), _cells(cost), strict=True):
        table.add_column(heading, justify="right", footer=number, no_wrap=True)
    for group in plan.groups:
        problem = group.problem
        why = wording(problem, plan.stores)
        table.add_row(f"{problem.dataset} {problem.months}", why, str(group.cost.files), *_cells(group.cost))
    return table


def _rules(plan: Plan) -> Iterator[str]:
    """A line for each set of rules other than the default one, with the months that are cleaned by it."""
    months: dict[tuple[str, ...], list[str]] = {}
    for group in plan.groups:
        if group.problem.rules is not None:
            months.setdefault(group.problem.rules, []).append(f"{group.problem.dataset} {group.problem.months}")
    for rules, cleaned in months.items():
        yield f"rules: {', '.join(rules)}" + ("" if len(cleaned) == len(plan.groups) else f" for {', '.join(cleaned)}")


def _ranges(months: Sequence[Month]) -> Iterator[str]:
    """Months in a row as `2024-01..2024-03`."""
    for _, in_a_row in groupby(enumerate(months), lambda numbered: numbered[1].plus(-numbered[0])):
        row = [month for _, month in in_a_row]
        yield str(row[0]) if len(row) == 1 else f"{row[0]}..{row[-1]}"


def _cells(cost: Cost) -> tuple[str, str, str]:
    size = "-" if cost.download_bytes is None else f"{'~' if cost.is_estimated else ''}{_size(cost.download_bytes)}"
    rows = "-" if cost.rows is None else f"{cost.rows:,}"
    return size, rows, "-" if cost.seconds is None else _duration(cost.seconds)


def _notes(cost: Cost) -> Iterator[str]:
    if cost.is_estimated:
        yield "~: estimated from the sizes of some of the files"
    if cost.seconds is None:
        yield "time: not known before something was loaded"
    else:
        yield "time: of the runs one after the other, by earlier ones; the daemon runs several at once"
    if cost.bigquery_bytes is not None:
        yield f"BigQuery: about {_size(cost.bigquery_bytes)} to store; loading is free of charge"


def _size(number: float) -> str:
    for unit, name in _UNITS:
        if number >= unit:
            return f"{number / unit:,.1f} {name}"
    return f"{number:,.0f} B"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
