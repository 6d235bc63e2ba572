"""Unpartitioned assets of the taxi zones: the lookup file -> two tables, and the shapefile."""

from collections.abc import Iterator, Mapping

import dagster as dg

from taxi_assets.assets.specs import io_manager_key, table_in
from taxi_assets.catalog import (
    SHAPES_FILE,
    ZONES,
    ZONES_FILE,
    ZONES_IN,
    ZONES_SCHEMA,
    ZONES_TABLE,
    Store,
    ZoneLayer,
    zones_key,
)
from taxi_assets.errors import NotPublished
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.io_managers.lake import FILE_NAME
from taxi_assets.raw_file import RawFile
from taxi_assets.resources import (
    ScratchResource,
    SourceRecordResource,
    SourceResource,
    StoresResource,
    log_progress,
)
from taxi_assets.resources.pools import TLC
from taxi_assets.settings.places import Role
from taxi_assets.stores.rows import Rows

_DESCRIPTION = ZONES_SCHEMA.metadata[b"description"].decode()


def zones_assets(roles: Mapping[str, Role]) -> list[dg.AssetsDefinition]:
    """The assets of the zones; `roles` maps a store to its technology."""
    return [
        _raw_zones(),
        *(_table(store, layer, roles[store]) for store, layer in ZONES_IN.items()),
        _raw_zone_shapes(),
    ]


def _raw_zones() -> dg.AssetsDefinition:
    @dg.asset(
        key=zones_key(ZoneLayer.RAW),
        description=f"TLC's source file, byte for byte. {_DESCRIPTION}",
        io_manager_key=io_manager_key(Store.LAKE),
        pool=TLC,
        group_name=ZONES,
        metadata={FILE_NAME: ZONES_FILE},
    )
    def raw_zones(
        source: SourceResource, source_record: SourceRecordResource, scratch: ScratchResource, stores: StoresResource
    ) -> Iterator[dg.Output[RawFile]]:
        from taxi_assets.source import fetch_zones

        with map_errors_to_failures(), scratch.folder() as folder:
            zones = fetch_zones(source.open(), folder, log_progress)
            source_record.record().check_and_record(zones, stores.lake())
            yield dg.Output(zones)

    return raw_zones


def _raw_zone_shapes() -> dg.AssetsDefinition:
    @dg.asset(
        key=zones_key(ZoneLayer.SHAPES),
        description="TLC's source file, byte for byte: the polygons of the taxi zones as a zipped shapefile, for maps.",
        io_manager_key=io_manager_key(Store.LAKE),
        pool=TLC,
        group_name=ZONES,
        metadata={FILE_NAME: SHAPES_FILE},
        output_required=False,
    )
    def raw_zone_shapes(
        context: dg.AssetExecutionContext,
        source: SourceResource,
        source_record: SourceRecordResource,
        scratch: ScratchResource,
        stores: StoresResource,
    ) -> Iterator[dg.Output[RawFile]]:
        from taxi_assets.source import fetch_zone_shapes

        with map_errors_to_failures(), scratch.folder() as folder:
            try:
                shapes = fetch_zone_shapes(source.open(), folder, log_progress)
            except NotPublished as missing:
                # A mirror need not have the file, and only the map of the report page needs it.
                context.log.warning(f"no zone shapes, so report pages will have no map: {missing}")
                return
            source_record.record().check_and_record(shapes, stores.lake())
            yield dg.Output(shapes)

    return raw_zone_shapes


def _table(store: Store, layer: ZoneLayer, role: Role) -> dg.AssetsDefinition:
    @dg.asset(
        key=zones_key(layer),
        ins={"raw": dg.AssetIn(zones_key(ZoneLayer.RAW))},
        description=_DESCRIPTION,
        io_manager_key=io_manager_key(store),
        group_name=ZONES,
        metadata=table_in(role, ZONES_TABLE),
    )
    def zones_table(raw: RawFile) -> Rows:
        from taxi_assets.cleaning import zone_rows

        with map_errors_to_failures():
            return zone_rows(raw)

    return zones_table
