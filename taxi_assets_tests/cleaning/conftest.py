import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings

from taxi_assets.catalog import DEFAULT_RULES

from .months import RulesBroken, Trip, month_of, outcome_of, written

_TLC = Path(__file__).parents[3] / "shared" / "tlc"

# Cleaning a month takes a tenth of a second or two, however small it is: few examples, and no deadline for each.
_ALWAYS = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=10, derandomize=True, **_ALWAYS)
settings.register_profile("thorough", max_examples=200, **_ALWAYS)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def rules_broken_by(tmp_path: Path) -> RulesBroken:
    """For each trip the rules that it breaks, in order; the trips are one file of January 2022."""

    def judge(
        *trips: Trip, rules: Iterable[str] = DEFAULT_RULES, types: Mapping[str, pa.DataType] | None = None
    ) -> list[list[str]]:
        dataset = trips[0].dataset
        path = written(month_of(*trips, types=types), tmp_path, dataset)
        quarantine = outcome_of(path, dataset, rules=rules).quarantine
        broken = {row["source_row"]: row["rules"] for row in quarantine.to_pylist()}
        return [broken.get(position, []) for position in range(len(trips))]

    return judge


@pytest.fixture(scope="session")
def tlc() -> Path:
    """TLC's own files, laid out like its CDN."""
    if not _TLC.is_dir():
        pytest.skip(f"real TLC files are not on this machine ({_TLC})")
    return _TLC
