"""The asset graph: factories for a dataset's trips, summary and page, and for the zones. No logic, few lines."""

from taxi_assets.assets.daily import daily_assets
from taxi_assets.assets.report import report_asset
from taxi_assets.assets.trips import trips_assets
from taxi_assets.assets.zones import zones_assets

__all__ = ["daily_assets", "report_asset", "trips_assets", "zones_assets"]
