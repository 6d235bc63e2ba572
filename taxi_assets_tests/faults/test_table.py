import pytest

from . import matrix
from .recording import Outcome, append
from .table import cells_of_the_document, cells_without_outcome, rendered

pytestmark = pytest.mark.faults


def test_the_document_has_every_fault_in_every_store() -> None:
    cells = cells_of_the_document()
    assert list(cells) == [(fault, store) for fault in matrix.FAULTS for store in matrix.STORES]
    for cell, text in cells.items():
        reason = matrix.NOT_APPLICABLE.get(cell)
        assert text == f"n/a: {reason}" if reason else text


def test_outcomes_of_one_kind_are_added_up() -> None:
    outcomes = [Outcome(matrix.DISK_FULL, "GCS", "old month", tries) for tries in (2, 3)]
    assert "| Disk full |  | old month (5) |  |" in rendered(outcomes)
    assert (matrix.DISK_FULL, "DuckDB") in cells_without_outcome(outcomes)
    assert (matrix.DISK_FULL, "GCS") not in cells_without_outcome(outcomes)


@pytest.mark.parametrize("cell", [("Earthquake", "GCS"), (matrix.RESET, "Paper"), (matrix.RESET, "DuckDB")])
def test_what_the_table_has_no_place_for_is_refused(cell: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="no place"):
        append(None, Outcome(*cell, "old month", 1))
