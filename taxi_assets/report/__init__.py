"""Reports on clean trips: the daily summary table, a self-contained HTML page for each month, an index of the pages.

`figures` aggregates with DuckDB, the charts draw SVG, and the templates make HTML of it. The SVG is written here and
not by a chart library: docs/decisions/0020-charts-are-own-svg.md. Storing a page or a table is left to the assets.
"""

from taxi_assets.report.daily import daily_trips
from taxi_assets.report.index import IndexUpdate, update_index
from taxi_assets.report.month_report import month_report
from taxi_assets.report.page import MonthReport, markdown, page
from taxi_assets.report.zones import find_zones

__all__ = [
    "IndexUpdate",
    "MonthReport",
    "daily_trips",
    "find_zones",
    "markdown",
    "month_report",
    "page",
    "update_index",
]
