"""What the conformance kit finds in Dagster's own IO manager for pandas in DuckDB, as docs/io-managers.md says.

The document's example is run as it stands: a file outside the checkout, by a pytest of its own.
"""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from taxi_assets.testing import AtomicSliceReplace

DOCUMENT = (Path(__file__).parents[2] / "docs" / "io-managers.md").read_text()
FOUND = set(re.findall(r"^\| `(test_.*?)` \|", DOCUMENT.partition("<!-- found")[2], re.MULTILINE))


def example() -> str:
    code = re.search(r"^## Certify an IO manager\n.*?```python\n(.*?)```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert code is not None
    return code[1]


def test_what_the_document_lists_are_tests_of_the_kit() -> None:
    assert FOUND
    assert all(hasattr(AtomicSliceReplace, name.partition("[")[0]) for name in FOUND)


@pytest.mark.slow
def test_it_finds_in_the_stock_io_manager_what_the_document_lists(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(example())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=found.xml", "test_mine.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED, ran.stdout + ran.stderr
    cases = list(ElementTree.parse(tmp_path / "found.xml").iter("testcase"))  # noqa: S314 - pytest's own
    assert {case.get("name") for case in cases if case.find("failure") is not None} == FOUND
    assert not [case for case in cases if case.find("error") is not None]
    assert len(cases) > 2 * len(FOUND)
