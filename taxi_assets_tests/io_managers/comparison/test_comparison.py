"""The table of cases in docs/io-managers.md says what happens."""

from pathlib import Path

import pytest

from taxi_assets_tests.io_managers.comparison.cases import GROUPS
from taxi_assets_tests.io_managers.comparison.outcomes import OURS, STOCK, documented, outcomes_of

DOCUMENTED = {
    cells[0]: dict(zip((*OURS, STOCK), cells[1:], strict=True))
    for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in documented().splitlines()[3:-1])
}


def test_the_document_has_all_cases_and_no_other() -> None:
    names = [name for name in DOCUMENTED if not name.startswith("**")]
    assert names == [case.name for cases in GROUPS.values() for case in cases]


def test_nothing_is_changed_or_lost_by_our_io_managers() -> None:
    ours = {outcome for cells in DOCUMENTED.values() for name, outcome in cells.items() if name in OURS}
    assert ours <= {"", "kept", "kept, as JSON", "refused", "refused when definitions load"}


@pytest.mark.slow
@pytest.mark.parametrize("title", GROUPS)
@pytest.mark.parametrize("manager", [*OURS, STOCK])
def test_the_table_in_the_document_is_current(
    tmp_path: Path, request: pytest.FixtureRequest, title: str, manager: str
) -> None:
    url = request.getfixturevalue("postgres_url") if manager == "Postgres" else ""
    found = outcomes_of(manager, tmp_path, url, GROUPS[title])
    assert found == {name: DOCUMENTED[name][manager] for name in found}
