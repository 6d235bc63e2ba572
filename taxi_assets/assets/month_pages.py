"""A dataset's page by month: one HTML file in the lake, and the same pictures in the UI."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from taxi_assets.assets.monthly_trips import FOLLOW_CLEAN, OWNERS, tags_of
from taxi_assets.catalog import Dataset
from taxi_assets.errors import SliceDamaged, SliceMissing
from taxi_assets.io_managers import LakeIOManager
from taxi_assets.io_managers.common import named_failures
from taxi_assets.io_managers.lake import FILE_NAME
from taxi_assets.month import Month
from taxi_assets.partitions import month_of_run, months_of
from taxi_assets.resources import ScratchResource, SourceResource
from taxi_assets.source.synthetic import is_synthetic_provenance
from taxi_assets.stores.rows import Rows

PICTURES = "taxi/pictures"


def report_asset(dataset: Dataset, kinds: Mapping[str, str]) -> dg.AssetsDefinition:
    """The dataset's page; `kinds` tells the technology of each role, for the UI."""
    file_name = f"{dataset.table}_{{month}}.html"

    @dg.asset(
        key=["report", dataset.table],
        ins={"clean": dg.AssetIn(["clean", dataset.table])},
        deps=[dg.AssetKey(["quarantine", dataset.table])],
        description=(
            "A page about the month for everybody: when, where, how far, how long, for how much, what was set aside "
            "and what changed. One file that opens without a network; the same pictures are in the metadata."
        ),
        partitions_def=months_of(dataset),
        io_manager_key="lake",
        group_name=dataset.name,
        kinds={"html", kinds["lake"]},
        metadata={FILE_NAME: file_name},
        automation_condition=FOLLOW_CLEAN,
        owners=OWNERS,
        tags=tags_of(dataset, "report"),
    )
    def trips_page(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[LakeIOManager],
        source: SourceResource,
        scratch: ScratchResource,
        clean: Rows,
    ) -> Iterator[dg.Output[Path]]:
        from taxi_assets.report import find_zones, markdown, month_report, page

        month = month_of_run(context)
        with named_failures(), scratch.folder() as folder:
            zones = find_zones(
                lake.store(),
                source.open(patient=False),
                folder,
                synthetic=is_synthetic_provenance(clean.provenance),
                warn=context.log.warning,
            )
            quarantine = lake.store().read(f"quarantine/{dataset.table}", [month])
            before = _year_before(context, lake, dataset, month.plus(-12))
            report = month_report(
                dataset,
                month,
                clean,
                quarantine,
                folder,
                year_before=before,
                zones=zones,
                warn=context.log.warning,
            )
            pictures = report.charts
            path = folder / file_name.format(month=month)
            path.write_text(page(report, pictures), encoding="utf-8")
            # Not as the output's metadata, which the records keep once more: 75 kB a run, of 850 in all.
            context.add_asset_metadata({PICTURES: dg.MetadataValue.md(markdown(pictures))})
            yield dg.Output(path)

    return trips_page


def _year_before(context: dg.AssetExecutionContext, lake: LakeIOManager, dataset: Dataset, month: Month) -> Rows | None:
    try:
        return lake.store().read(f"clean/{dataset.table}", [month])
    except SliceMissing:
        return None
    except SliceDamaged as error:
        context.log.warning(f"the page does without {month}: {error}: taxi run {dataset.name} {month}")
        return None
