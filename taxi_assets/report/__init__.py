"""Reports on a month's clean trips: the daily summary table, and a self-contained HTML page with charts.

`figures` aggregates with DuckDB, `charts` draws SVG, `page` renders HTML. The SVG is written here and not by a chart
library, which takes seconds to import and draws charts that do not follow the reader's light or dark mode. Storing a
page or a table is left to the assets.
"""

from taxi_assets.report.daily import daily_trips
from taxi_assets.report.month_report import month_report
from taxi_assets.report.page import MonthReport, markdown, page
from taxi_assets.report.zones import find_zones

__all__ = ["MonthReport", "daily_trips", "find_zones", "markdown", "month_report", "page"]
