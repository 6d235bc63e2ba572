"""The zones' assets, not partitioned: TLC's lookup -> two tables, and TLC's shapes."""

from collections.abc import Iterator, Mapping

import dagster as dg

from taxi_assets.assets.monthly_trips import OWNERS
from taxi_assets.catalog import SHAPES_FILE, SHAPES_NAME, ZONES_FILE, ZONES_SCHEMA, ZONES_TABLE
from taxi_assets.errors import NotPublished
from taxi_assets.io_managers.common import named_failures
from taxi_assets.io_managers.lake import FILE_NAME, LakeIOManager
from taxi_assets.raw_file import RawFile
from taxi_assets.resources import ScratchResource, SourceRecordResource, SourceResource, tell_download
from taxi_assets.stores.rows import Rows

ZONES_GROUP = "zones"
_WHAT = ZONES_SCHEMA.metadata[b"description"].decode()


def zones_assets(kinds: Mapping[str, str]) -> list[dg.AssetsDefinition]:
    """The assets of the zones; `kinds` tells the technology of each role, for the UI."""
    tables = [_table(store, kinds[store]) for store in ("postgres", "warehouse")]
    return [_raw(kinds), *tables, _shapes(kinds)]


def _raw(kinds: Mapping[str, str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", ZONES_TABLE],
        description=f"TLC's own file, byte for byte. {_WHAT}",
        io_manager_key="lake",
        group_name=ZONES_GROUP,
        kinds={"csv", kinds["lake"]},
        metadata={FILE_NAME: ZONES_FILE},
        owners=OWNERS,
        tags={"layer": "raw", "source": "nyc-tlc"},
    )
    def raw_zones(
        source: SourceResource,
        source_record: SourceRecordResource,
        scratch: ScratchResource,
        lake: dg.ResourceParam[LakeIOManager],
    ) -> Iterator[dg.Output[RawFile]]:
        from taxi_assets.source import fetch_zones

        with named_failures(), scratch.folder() as folder:
            zones = fetch_zones(source.open(), folder, tell_download)
            source_record.record().check_and_record(zones, lake.store())
            yield dg.Output(zones)

    return raw_zones


def _shapes(kinds: Mapping[str, str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", SHAPES_NAME],
        description="TLC's own file, byte for byte: the outlines of the taxi zones, a zipped shapefile, for maps.",
        io_manager_key="lake",
        group_name=ZONES_GROUP,
        kinds={"shapefile", kinds["lake"]},
        metadata={FILE_NAME: SHAPES_FILE},
        output_required=False,
        owners=OWNERS,
        tags={"layer": "raw", "source": "nyc-tlc"},
    )
    def raw_zone_shapes(
        context: dg.AssetExecutionContext,
        source: SourceResource,
        source_record: SourceRecordResource,
        scratch: ScratchResource,
        lake: dg.ResourceParam[LakeIOManager],
    ) -> Iterator[dg.Output[RawFile]]:
        from taxi_assets.source import fetch_zone_shapes

        with named_failures(), scratch.folder() as folder:
            try:
                shapes = fetch_zone_shapes(source.open(), folder, tell_download)
            except NotPublished as missing:
                # A mirror of the trips need not have it, and nothing but the map of a page needs it.
                context.log.warning(f"no zone shapes, so pages will have no map: {missing}")
                return
            source_record.record().check_and_record(shapes, lake.store())
            yield dg.Output(shapes)

    return raw_zone_shapes


def _table(store: str, kind: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=[store, ZONES_TABLE],
        ins={"raw": dg.AssetIn(["raw", ZONES_TABLE])},
        description=_WHAT,
        io_manager_key=store,
        group_name=ZONES_GROUP,
        kinds={kind},
        owners=OWNERS,
        tags={"layer": store, "source": "nyc-tlc"},
    )
    def zones_table(raw: RawFile) -> Rows:
        from taxi_assets.cleaning import zone_rows

        with named_failures():
            return zone_rows(raw)

    return zones_table
