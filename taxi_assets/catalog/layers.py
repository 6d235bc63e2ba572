"""What each dataset's data is called on its way: the layers of the asset graph, and the stores that hold them.

An asset's key is the dataset, then the layer. Dagster's UI labels a node, a Gantt bar and a search hit with the last
part only (dagster #25555, #30901), so that each layer of a dataset has a name of its own.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Store(StrEnum):
    """A role that a store plays; the settings choose the technology."""

    LAKE = "lake"
    POSTGRES = "postgres"
    WAREHOUSE = "warehouse"


class Layer(StrEnum):
    """What is kept of a dataset, a partition a month; the last part of the asset's key."""

    RAW = "raw_trips"
    CLEAN = "clean_trips"
    QUARANTINE = "quarantined_trips"
    DIFF = "version_diff"
    POSTGRES = "postgres_trips"
    WAREHOUSE = "warehouse_trips"
    POSTGRES_DAILY = "postgres_daily_trips"
    WAREHOUSE_DAILY = "warehouse_daily_trips"
    REPORT = "report"


class ZoneLayer(StrEnum):
    """What is kept of the taxi zones, without partitions; the last part of the asset's key."""

    RAW = "raw_zones"
    SHAPES = "raw_zone_shapes"
    POSTGRES = "postgres_zones"
    WAREHOUSE = "warehouse_zones"


ZONES = "zones"  # the group of the zones, and the first part of their keys
LAKE_GROUP = "lake"  # the group of what the lake has for all datasets together
INDEX = "index"  # of all months' pages: the last part of its key, after the group
PUBLISHER = "tlc"  # the first part of the keys of external assets: files that the source has
TABLE_STORES = (Store.POSTGRES, Store.WAREHOUSE)
TRIPS_IN: Mapping[Store, Layer] = MappingProxyType(
    {Store.LAKE: Layer.CLEAN, Store.POSTGRES: Layer.POSTGRES, Store.WAREHOUSE: Layer.WAREHOUSE}
)
DAILY_IN: Mapping[Store, Layer] = MappingProxyType(
    {Store.POSTGRES: Layer.POSTGRES_DAILY, Store.WAREHOUSE: Layer.WAREHOUSE_DAILY}
)
ZONES_IN: Mapping[Store, ZoneLayer] = MappingProxyType(
    {Store.POSTGRES: ZoneLayer.POSTGRES, Store.WAREHOUSE: ZoneLayer.WAREHOUSE}
)


def zones_key(layer: ZoneLayer) -> list[str]:
    """The key of the asset that is this layer of the zones."""
    return [ZONES, layer.value]


def zones_path(layer: ZoneLayer) -> str:
    """The same with slashes, which is the layer's folder in the lake as well."""
    return "/".join(zones_key(layer))
