"""Terminal output of `taxi explain`."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_assets.catalog import Layer
from taxi_assets.cli.explain.lookup import QUARANTINE, Explanation

_ROWS_NAMED = 5


def print_explanation(console: Console, found: Explanation) -> None:
    """Print the row, the rules that it broke, and where it is stored."""
    title = f"{found.dataset.name} {found.month}, row {found.row:,} of {found.rows_in_file:,}"
    console.print(f"{title}, counted from 0")
    console.print(_values(found))
    if found.broken:
        console.print("\n[bold]Rules that it broke[/bold]")
    for one in found.broken:
        others = ", ".join(str(row) for row in one.rows[:_ROWS_NAMED]) + (", …" if one.rows[_ROWS_NAMED:] else "")
        related = f" (row {others})" if one.rows else ""
        console.print(f"  [red]{one.rule.name}[/red]: {escape(one.rule.description)}{related}", soft_wrap=True)
    console.print("\n[bold]Where it is[/bold]")
    for line in _locations(found):
        console.print(f"  {line}", soft_wrap=True)


def _values(found: Explanation) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading, is_name in (("TLC's column", True), ("value", False), ("is read as", True), ("value", False)):
        table.add_column(heading, no_wrap=is_name, overflow="fold")
    for one in found.values:
        value = _shown(one.value) if one.is_readable else "[red]unreadable[/red]"
        read = (one.column, value) if one.column is not None else ("[dim]not loaded[/dim]", "")
        table.add_row(escape(one.source), _shown(one.raw), *read)
    return table


def _locations(found: Explanation) -> Iterator[str]:
    command = f"taxi run {found.dataset.name} {found.month}"
    if found.layer is None:
        yield f"nowhere: the month's clean rows are missing, or were made from another file: {command}"
    elif found.layer == QUARANTINE:
        rule = found.broken[0].rule.name if found.broken else "a rule"
        yield f"lake       in {found.dataset.path(Layer.QUARANTINE)}, by {rule}"
        yield "tables     not there, since it was rejected"
    else:
        yield f"lake       in {found.dataset.path(Layer.CLEAN)}"
    for store, there in found.tables.items():
        yield f"{store:<10} {_in_table(found, store, there)}"
    if found.layer is not None and not found.is_from_current_file:
        yield f"[yellow]The month was cleaned from another version of this file[/yellow]: {command}"


def _in_table(found: Explanation, store: str, there: object) -> str:
    if isinstance(there, str):
        return f"[red]does not answer[/red]: {escape(there)}"
    if there is None:
        return f"[red]not there[/red]: taxi run {found.dataset.name} {found.month}"
    different = found.differences(store)
    if not different:
        return f"in {found.dataset.table}, with the same values"
    texts = (f"{name} is {_shown(theirs)} and not {_shown(ours)}" for name, (ours, theirs) in different.items())
    return f"in {found.dataset.table}, with [red]other values[/red]: {'; '.join(texts)}"


def _shown(value: object) -> str:
    return "" if value is None else escape(str(value))
