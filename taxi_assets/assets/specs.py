"""Attributes that all asset specs share: owners, tags, kinds, code versions, table names and IO manager keys."""

from collections.abc import Iterable, Mapping

import dagster as dg

from taxi_assets.assets.code_versions import code_versions
from taxi_assets.catalog import INDEX, LAKE_GROUP, ZONES, Layer, Store, ZoneLayer
from taxi_assets.io_managers.table_names import TABLE_NAME
from taxi_assets.settings.places import Role

OWNERS = ["team:taxi-assets"]
SOURCE_TAG = {"source": "nyc-tlc"}
# Layer -> its store and its kinds beside the store's; Dagster shows four kinds at most.
_KINDS: Mapping[str, tuple[Store, tuple[str, ...]]] = {
    Layer.RAW: (Store.LAKE, ("parquet",)),
    Layer.CLEAN: (Store.LAKE, ("duckdb", "parquet")),
    Layer.QUARANTINE: (Store.LAKE, ("parquet",)),
    Layer.DIFF: (Store.LAKE, ("json",)),
    Layer.POSTGRES: (Store.POSTGRES, ()),
    Layer.WAREHOUSE: (Store.WAREHOUSE, ()),
    Layer.POSTGRES_DAILY: (Store.POSTGRES, ("pandas",)),
    Layer.WAREHOUSE_DAILY: (Store.WAREHOUSE, ("pandas",)),
    Layer.REPORT: (Store.LAKE, ("html",)),
    INDEX: (Store.LAKE, ("html",)),
    ZoneLayer.RAW: (Store.LAKE, ("csv",)),
    ZoneLayer.SHAPES: (Store.LAKE, ("shapefile",)),
    ZoneLayer.POSTGRES: (Store.POSTGRES, ()),
    ZoneLayer.WAREHOUSE: (Store.WAREHOUSE, ()),
}


def io_manager_key(store: Store) -> str:
    """Key of the IO manager of a store."""
    return f"{store}_io_manager"


def table_in(role: Role, table: str) -> Mapping[str, str]:
    """Definition metadata with the table's name for the IO manager; the asset key's last part is the layer."""
    return {TABLE_NAME: f"{role.schema}.{table}"}


def complete_specs(assets: Iterable[dg.AssetsDefinition], roles: Mapping[str, Role]) -> list[dg.AssetsDefinition]:
    """The assets with owners, tags for the UI's filters, kinds of the technology in use, and code versions."""
    versions = code_versions()

    def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.path[-1] not in _KINDS:  # an asset of a user's own, as the README shows how to add one
            return spec
        group, layer = spec.key.path
        store, made_of = _KINDS[layer]
        dataset = {} if group in (ZONES, LAKE_GROUP) else {"dataset": group}
        return spec.replace_attributes(
            owners=OWNERS,
            tags={**spec.tags, **dataset, **SOURCE_TAG, "layer": layer},
            kinds={*made_of, roles[store].kind},
            code_version=versions[group, layer],
        )

    return [one.map_asset_specs(complete) for one in assets]
