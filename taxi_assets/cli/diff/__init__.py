"""`taxi diff`: cleans a loaded month's file again, loads nothing, and shows what loading it would change."""

from taxi_assets.cli.diff.as_json import as_json
from taxi_assets.cli.diff.compare import MonthDiff, month_diff
from taxi_assets.cli.diff.render import print_diff, reading_progress

__all__ = ["MonthDiff", "as_json", "month_diff", "print_diff", "reading_progress"]
