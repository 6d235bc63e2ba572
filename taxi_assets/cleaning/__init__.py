"""Cleaning: one raw month in, clean rows and quarantined rows out, every source row in exactly one of them.

The SQL is made from the catalogue and the types that the file happens to have. Nothing here knows stores or Dagster.
"""

from taxi_assets.cleaning.clean import Cleaned, cleaned_month
from taxi_assets.cleaning.row_lookup import SourceRow, SourceValue, open_source_row
from taxi_assets.cleaning.version_diff import with_changes
from taxi_assets.cleaning.zone_rows import zone_rows

__all__ = ["Cleaned", "SourceRow", "SourceValue", "cleaned_month", "open_source_row", "with_changes", "zone_rows"]
