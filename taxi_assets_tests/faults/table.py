"""The table in docs/reliability.md, made from what the suite told."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import taxi_assets_tests

from .matrix import FAULTS, NOT_APPLICABLE, STORES
from .recording import Outcome

DOCUMENT = Path(taxi_assets_tests.__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- table: begin, written by `make reliability` -->", "<!-- table: end -->"


def rewrite_table(outcomes: Iterable[Outcome]) -> None:
    """Put a new table in the place of the document's."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{rendered(outcomes)}\n\n{END}{after}", encoding="utf-8")


def rendered(outcomes: Iterable[Outcome]) -> str:
    """The table, and how many faults there were."""
    tries: dict[tuple[str, str], Counter[str]] = {}
    for one in outcomes:
        tries.setdefault((one.fault, one.store), Counter())[one.outcome] += one.tries
    lines = [["Fault", *STORES], ["---"] * (1 + len(STORES))]
    lines += [[fault, *(_cell(tries, fault, store) for store in STORES)] for fault in FAULTS]
    total = sum(counts.total() for counts in tries.values())
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{total} faults in all."


def cells_without_outcome(outcomes: Iterable[Outcome]) -> list[tuple[str, str]]:
    """Faults and stores that nothing was told of, since their tests were skipped."""
    covered = {(one.fault, one.store) for one in outcomes} | NOT_APPLICABLE.keys()
    return [(fault, store) for fault in FAULTS for store in STORES if (fault, store) not in covered]


def cells_of_the_document() -> dict[tuple[str, str], str]:
    """Fault and store -> what the document says of them."""
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    table = [line.strip("|").split("|") for line in rest.partition(END)[0].splitlines() if line.startswith("|")]
    header, _, *lines = [[cell.strip() for cell in line] for line in table]
    return {(line[0], store): cell for line in lines for store, cell in zip(header[1:], line[1:], strict=True)}


def _cell(tries: dict[tuple[str, str], Counter[str]], fault: str, store: str) -> str:
    if (fault, store) in NOT_APPLICABLE:
        return f"n/a: {NOT_APPLICABLE[fault, store]}"
    counts = tries.get((fault, store), Counter())
    return "<br>".join(f"{outcome} ({counts[outcome]})" for outcome in sorted(counts, key=str.lower))
