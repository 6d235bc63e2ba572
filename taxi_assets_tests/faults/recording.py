"""What became of each fault, as JSON lines that several test processes append to one file."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .matrix import FAULTS, NOT_APPLICABLE, STORES

Tell = Callable[[str, str, str, int], None]


@dataclass(frozen=True)
class Outcome:
    """So many faults of one kind ended like this in one store."""

    fault: str
    store: str
    outcome: str
    tries: int


def append(report: Path | None, outcome: Outcome) -> None:
    """Add the outcome to the report, if there is one; refuse a cell that the table does not have."""
    cell = (outcome.fault, outcome.store)
    if cell in NOT_APPLICABLE or outcome.fault not in FAULTS or outcome.store not in STORES:
        raise ValueError(f"the table has no place for {cell}")
    if report is not None and outcome.tries:
        with report.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(outcome)) + "\n")


def outcomes_in(report: Path) -> list[Outcome]:
    """What was told, in no particular order."""
    return [Outcome(**json.loads(line)) for line in report.read_text(encoding="utf-8").splitlines()]
