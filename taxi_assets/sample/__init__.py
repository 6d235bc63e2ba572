"""The built-in sample source: TLC-shaped months of any dataset and era, made up on the spot, the same every time.

Each file has its era's own column names and physical types, plausible trips, and every kind of dirt that a rule looks
for, in known amounts. Made from the catalogue; knows no Dagster, no store and no pandas. What makes and writes rows is
imported when the first file is written.
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
