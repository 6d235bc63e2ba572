"""Terminal output of `taxi diff`: progress on the standard error, and the result."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from taxi_assets.catalog import RULES, Dataset
from taxi_assets.cli.diff.compare import MonthDiff
from taxi_assets.cli.diff.compare import Progress as Callback

_CLEAN = "clean rows"


@contextmanager
def reading_progress() -> Iterator[Callback]:
    """A callback that shows what is read, on a line of the standard error which disappears at the end."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def show(what: str, done: int, total: int | None) -> None:
            rows = f": {done:,} rows" if done else ""
            bar.update(task, description=f"{escape(what)}{rows}", completed=done, total=total)

        yield show


def print_diff(console: Console, diff: MonthDiff) -> None:
    """Print the sums, the moves by rule, examples, and the command that would load it."""
    name = f"{diff.dataset.name} {diff.month}"
    if diff.is_empty:
        console.print(f"{name}: loading it again would change no row")
        return
    changes = diff.changes
    counts = ", ".join(f"{changes[kind]:,} {kind}" for kind in ("removed", "added", "changed"))
    console.print(f"{name}, if it were loaded again: of its clean rows {counts}", soft_wrap=True)
    console.print(_sums(changes))
    if diff.moves:
        console.print(_moves(diff))
    for example in changes["examples"]:
        console.print(f"  {_example(example, diff.dataset)}", soft_wrap=True)
    console.print(f"to load it: {_command(diff)}", soft_wrap=True)


def _sums(changes: Mapping[str, Any]) -> Table:
    table = _table("", "loaded", "after", "difference")
    for heading, key, form in (
        (_CLEAN, "rows", "{:,.0f}"),
        ("total amount, $", "amount", "{:,.2f}"),
        ("distance, miles", "distance", "{:,.2f}"),
    ):
        before, after = changes[f"{key}_before"], changes[f"{key}_after"]
        if before is not None or after is not None:
            before, after = before or 0, after or 0
            difference = form.replace(":", ":+").format(after - before)
            table.add_row(heading, form.format(before), form.format(after), difference)
    return table


def _moves(diff: MonthDiff) -> Table:
    table = _table("rows", "from", "to", "for example row", title="Moved, by the first rule that they break")
    for move in diff.moves:
        same = move.before == move.after
        to = "the same, with other further rules" if same else move.after or _CLEAN
        examples = ", ".join(map(str, move.examples))
        table.add_row(f"{move.rows:,}", move.before or _CLEAN, to, examples)
    return table


def _table(first: str, *others: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for place, heading in enumerate((first, *others)):
        table.add_column(heading, justify="right" if (place == 0) == bool(title) else "left")
    return table


def _example(example: Mapping[str, Any], dataset: Dataset) -> str:
    """One line; of an added or removed row the trip's identity, its distance and its total."""
    row = example["row"]
    sign = {"removed": "[red]-[/red]", "added": "[green]+[/green]", "changed": "~"}[example["kind"]]
    if example["kind"] == "changed":
        before, after = example["before"], example["after"]
        values = "; ".join(f"{name} {before[name]} -> {after[name]}" for name in after)
    else:
        shown = (*dataset.trip_identity, dataset.distance, dataset.total)
        values = ", ".join(f"{name} {row[name]}" for name in shown if name in row)
    return f"{sign} row {row['source_row']}: {escape(values)}"


def _command(diff: MonthDiff) -> str:
    command = f"taxi run {diff.dataset.name} {diff.month}"
    return command if _are_default(diff.rules, diff) else f"{command} --rules {','.join(diff.rules)}"


def _are_default(names: Sequence[str], diff: MonthDiff) -> bool:
    default = {rule.name for rule in RULES if rule.default and rule.applies_to(diff.dataset)}
    return set(names) == default
