from pathlib import Path

import pytest

_TLC = Path(__file__).parents[3] / "shared" / "tlc"


@pytest.fixture(scope="session")
def tlc() -> Path:
    """TLC's own files, laid out like its CDN."""
    if not _TLC.is_dir():
        pytest.skip(f"real TLC files are not on this machine ({_TLC})")
    return _TLC
