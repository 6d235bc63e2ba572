"""Report page of a dataset by month: one HTML file in the lake, and the same charts as metadata in the UI.

Figures, charts and HTML are the work of `report`.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from taxi_assets.assets.lake_index import add_to_index
from taxi_assets.assets.monthly_trips import follow_clean
from taxi_assets.assets.specs import io_manager_key
from taxi_assets.catalog import Dataset, Layer, Store, ZoneLayer, zones_key
from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.io_managers.lake import FILE_NAME
from taxi_assets.month import Month
from taxi_assets.partitions import month_of_run, months_of
from taxi_assets.resources import ScratchResource, SourceResource, StoresResource
from taxi_assets.source.synthetic import is_synthetic_provenance
from taxi_assets.stores.rows import Rows

PICTURES = "taxi/pictures"


def report_asset(dataset: Dataset) -> dg.AssetsDefinition:
    """The asset of the dataset's report page."""
    zones = [dg.AssetKey(zones_key(one)) for one in (ZoneLayer.RAW, ZoneLayer.SHAPES)]

    @dg.asset(
        key=dataset.key(Layer.REPORT),
        ins={
            "clean": dg.AssetIn(dataset.key(Layer.CLEAN)),
            "version_diff": dg.AssetIn(dataset.key(Layer.DIFF)),
        },
        deps=[
            dataset.key(Layer.QUARANTINE),
            # No edge to the year before, with which the page compares: in Dagster 1.13 a backfill of 2024-01 follows a
            # partition mapping of -12 months within its selection forward, and materializes the page of 2025-01 too.
            *zones,
        ],
        description=(
            "Report page of the month as one HTML file, which opens offline: trips by time and zone, distances, "
            "durations, amounts, quarantine, and changes since the last version. The metadata shows the same charts."
        ),
        partitions_def=months_of(dataset),
        io_manager_key=io_manager_key(Store.LAKE),
        group_name=dataset.name,
        metadata={FILE_NAME: dataset.page_file_template},
        automation_condition=follow_clean(apart_from=zones),
    )
    def report(
        context: dg.AssetExecutionContext,
        clean: Rows,
        version_diff: Path,
        *,
        stores: StoresResource,
        source: SourceResource,
        scratch: ScratchResource,
    ) -> Iterator[dg.Output[Path]]:
        from taxi_assets.cleaning import with_changes
        from taxi_assets.report import find_zones, markdown, month_report, page

        month, lake = month_of_run(context), stores.lake()
        with map_errors_to_failures(), scratch.folder() as folder:
            zones = find_zones(
                lake,
                source.open(retry=False),
                folder,
                synthetic=is_synthetic_provenance(clean.provenance),
                warn=context.log.warning,
            )
            content = month_report(
                dataset,
                month,
                with_changes(clean, version_diff.read_text(encoding="utf-8")),
                lake.read(dataset.path(Layer.QUARANTINE), [month]),
                folder,
                year_before=_clean_trips(context, stores, dataset, month.plus(-12)),
                zones=zones,
                pages=lake.file_versions(dataset.path(Layer.REPORT)),
                warn=context.log.warning,
            )
            pictures = content.charts
            path = folder / dataset.page_file_template.format(month=month)
            path.write_text(page(content, pictures), encoding="utf-8")
            # As asset metadata: the event log would store output metadata once more, 75 kB of a run's 850 kB.
            context.add_asset_metadata({PICTURES: dg.MetadataValue.md(markdown(pictures))})
            yield dg.Output(path)
            add_to_index(context, lake)  # Dagster resumes the body after the IO manager has stored the page

    return report


def _clean_trips(
    context: dg.AssetExecutionContext, stores: StoresResource, dataset: Dataset, month: Month
) -> Rows | None:
    """The clean trips of another month; None if the lake lacks them or their file is damaged."""
    try:
        return stores.lake().read(dataset.path(Layer.CLEAN), [month])
    except SliceMissing:
        return None
    except SliceDamaged as error:
        context.log.warning(f"the page does not compare with {month}: {error}: taxi run {dataset.name} {month}")
        return None
