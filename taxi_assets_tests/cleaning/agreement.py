"""Whether cleaning and the reference say the same about a file, value by value."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month

from .months import outcome_of
from .reference import judge, plain_rows


def assert_cleaning_agrees_with_the_reference(
    path: Path, dataset: Dataset, month: Month, rules: Collection[str]
) -> None:
    """Every source row is in one of the two streams, and there as the reference has it."""
    outcome, judged = outcome_of(path, dataset, month, rules), judge(path, dataset, month, rules)
    assert outcome.source_rows == len(judged.originals)
    assert outcome.clean.num_rows + outcome.quarantine.num_rows == outcome.source_rows
    assert plain_rows(outcome.quarantine) == [
        {
            **judged.originals[position],
            "rule": judged.broken[position][0],
            "rules": judged.broken[position],
            "source_row": position,
        }
        for position in judged.quarantined
    ]
    assert outcome.clean.schema == dataset.schema
    assert outcome.clean.to_pylist() == [
        {**judged.readings[position], "source_month": month.first_day, "source_row": position}
        for position in judged.clean
    ]
    first_broken = Counter(judged.broken[position][0] for position in judged.quarantined)
    assert {rule: count for rule, count in outcome.rejected.items() if count} == first_broken
