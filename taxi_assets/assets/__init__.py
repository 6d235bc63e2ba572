"""The asset graph: one factory for the trips of a dataset, and the zone lookup. Bodies of a few lines, no logic."""

from taxi_assets.assets.trips import trips_assets
from taxi_assets.assets.zones import zones_assets

__all__ = ["trips_assets", "zones_assets"]
