"""Synthetic trips with TLC's schema and typical defects, for any dataset and month: the source `sample`.

Each file has its era's column names and physical types, plausible trips, and a known number of defects for every rule.
The same request gives the same bytes on any machine. Schemas and rules come from the catalogue; nothing here imports
Dagster, a store's driver or pandas; the modules that generate and write rows are imported with the first file.
"""

from taxi_assets.sample.defect_plan import DEFAULT_ROWS, MAXIMUM_ROWS, MINIMUM_ROWS, expected_defects
from taxi_assets.sample.source import SAMPLE_LAST_MONTH, SampleSource, write_tree
from taxi_assets.sample.write import write_month

__all__ = [
    "DEFAULT_ROWS",
    "MAXIMUM_ROWS",
    "MINIMUM_ROWS",
    "SAMPLE_LAST_MONTH",
    "SampleSource",
    "expected_defects",
    "write_month",
    "write_tree",
]
