"""The asset graph: factories for a dataset's trips, daily summary and report page, for their index, and for the zones.

Assets call `source`, `cleaning` and `report`; logic does not belong here.
"""

from taxi_assets.extras import require

require("taxi", "the asset graph of the taxis")
from taxi_assets.assets.daily_trips import daily_assets  # noqa: E402
from taxi_assets.assets.lake_index import index_asset  # noqa: E402
from taxi_assets.assets.month_pages import report_asset  # noqa: E402
from taxi_assets.assets.monthly_trips import trips_assets  # noqa: E402
from taxi_assets.assets.published_files import published_files  # noqa: E402
from taxi_assets.assets.taxi_zones import zones_assets  # noqa: E402

__all__ = ["daily_assets", "index_asset", "published_files", "report_asset", "trips_assets", "zones_assets"]
