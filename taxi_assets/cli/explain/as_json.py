"""JSON output of `taxi explain`; docs/status.md describes the document."""

import json

from taxi_assets.cli.explain.lookup import Explanation


def as_json(found: Explanation) -> str:
    """One JSON document; times and dates are in ISO 8601 format."""
    document = {
        "dataset": found.dataset.name,
        "month": str(found.month),
        "row": found.row,
        "rows_in_file": found.rows_in_file,
        "source": {one.source: one.raw for one in found.values},
        "read": {one.column: one.value for one in found.values if one.column is not None},
        "unreadable": [one.source for one in found.values if not one.is_readable],
        "rules": [
            {"rule": one.rule.name, "description": one.rule.description, "rows": list(one.rows)} for one in found.broken
        ],
        "layer": found.layer,
        "clean_is_of_this_file": found.is_from_current_file,
        "tables": {
            name: {"error": there}
            if isinstance(there, str)
            else {"row": there, "differs_in": list(found.differences(name))}
            for name, there in found.tables.items()
        },
    }
    return json.dumps(document, indent=1, default=str)
