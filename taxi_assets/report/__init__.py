"""What people look at: the daily summary of a month's trips, and a page about them that needs no network.

`figures` counts, `charts` draws, `page` puts it together. Our own small SVG instead of a chart library: one takes
seconds to import, and its pictures do not follow the reader's choice of light or dark.
"""

from taxi_assets.report.daily import daily_trips
from taxi_assets.report.month_report import month_report
from taxi_assets.report.page import MonthReport, markdown, page
from taxi_assets.report.zones import find_zones

__all__ = ["MonthReport", "daily_trips", "find_zones", "markdown", "month_report", "page"]
