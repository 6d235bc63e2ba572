"""Run the suite and write what became of each fault into docs/reliability.md."""

import sys
import tempfile
from pathlib import Path

import pytest

from .recording import outcomes_in
from .table import cells_without_outcome, rewrite_table

SUITE = Path(__file__).parent


def main() -> None:
    """Leave the document alone where a test fails or is skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        # The test of the document would fail where this is about to change it.
        options = ["-m", "faults", "-n", "auto", "--dist", "loadfile", "--ignore", SUITE / "test_table.py"]
        status = pytest.main([str(part) for part in (SUITE, *options, "--reliability-report", report)])
        if status != pytest.ExitCode.OK:
            sys.exit(int(status))
        outcomes = outcomes_in(report)
    if missing := cells_without_outcome(outcomes):
        sys.exit(f"the table stays as it was, since tests were skipped: {missing}")
    rewrite_table(outcomes)


if __name__ == "__main__":
    main()
