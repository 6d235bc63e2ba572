"""Cleaning: split a month's source file into clean rows and quarantined rows; every source row is in exactly one.

DuckDB runs SQL that is generated from the catalogue and the file's own schema. Rows leave as Arrow streams; writing
them to a store, and Dagster's checks of them, are not done here.
"""

from taxi_assets.cleaning.clean import Cleaned, cleaned_month
from taxi_assets.cleaning.row_comparison import compare_versions
from taxi_assets.cleaning.row_lookup import SourceRow, SourceValue, open_source_row
from taxi_assets.cleaning.rows_version import CleaningVersions, RowsVersion
from taxi_assets.cleaning.rule_moves import Move, rule_moves
from taxi_assets.cleaning.version_diff import local_copy, version_diff, with_changes
from taxi_assets.cleaning.zone_rows import zone_rows

__all__ = [
    "Cleaned",
    "CleaningVersions",
    "Move",
    "RowsVersion",
    "SourceRow",
    "SourceValue",
    "cleaned_month",
    "compare_versions",
    "local_copy",
    "open_source_row",
    "rule_moves",
    "version_diff",
    "with_changes",
    "zone_rows",
]
