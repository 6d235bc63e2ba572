"""JSON output of `taxi diff`; docs/diff.md describes the document."""

import json

from taxi_assets.cli.diff.compare import MonthDiff


def as_json(diff: MonthDiff) -> str:
    """One JSON document; times are in ISO 8601 format, amounts in dollars, distances in miles."""
    document = {
        "dataset": diff.dataset.name,
        "month": str(diff.month),
        "would_change": not diff.is_empty,
        "rules_before": list(diff.rules_before),
        "rules_after": list(diff.rules),
        **{name: value for name, value in diff.changes.items() if name != "examples"},
        "moves": [
            {"before": one.before, "after": one.after, "rows": one.rows, "source_rows": list(one.examples)}
            for one in diff.moves
        ],
        "examples": diff.changes["examples"],
    }
    return json.dumps(document, indent=1)
