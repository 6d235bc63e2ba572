"""Cleaning: split a month's source file into clean rows and quarantined rows; every source row is in exactly one.

DuckDB runs SQL that is generated from the catalogue and the file's own schema. Rows leave as Arrow streams; writing
them to a store, and Dagster's checks of them, are not done here.
"""

from taxi_assets.cleaning.clean import Cleaned, cleaned_month
from taxi_assets.cleaning.row_lookup import SourceRow, SourceValue, open_source_row
from taxi_assets.cleaning.rows_version import CleaningVersions, RowsVersion
from taxi_assets.cleaning.version_diff import version_diff, with_changes
from taxi_assets.cleaning.zone_rows import zone_rows

__all__ = [
    "Cleaned",
    "CleaningVersions",
    "RowsVersion",
    "SourceRow",
    "SourceValue",
    "cleaned_month",
    "open_source_row",
    "version_diff",
    "with_changes",
    "zone_rows",
]
