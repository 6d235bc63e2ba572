"""The index of all months' pages: one HTML file in the lake, updated by every run that stores a page.

The asset rebuilds it from the pages; runs of months update it by themselves and report it as materialized, so that it
is current after `taxi run`, a backfill and a sensor's run alike. Its content is the work of `report`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.catalog import INDEX, LAKE_GROUP, Dataset, Layer
from taxi_assets.errors import TaxiError
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.resources import StoresResource

if TYPE_CHECKING:
    from taxi_assets.report import IndexUpdate
    from taxi_assets.stores.lake import Lake

INDEX_KEY = dg.AssetKey([LAKE_GROUP, INDEX])


def index_asset(datasets: Sequence[Dataset]) -> dg.AssetsDefinition:
    """The asset of the index; its page is `report/index.html` in the lake."""

    @dg.asset(
        key=INDEX_KEY,
        deps=[dataset.key(Layer.REPORT) for dataset in datasets],
        description=(
            "Index of all months as one HTML file, which opens offline: trips, revenue, quarantine and state of each "
            "month, with a link to its page. Every run of a month updates it."
        ),
        group_name=LAKE_GROUP,
    )
    def index(stores: StoresResource) -> dg.MaterializeResult[None]:
        from taxi_assets.report import update_index

        with map_errors_to_failures():
            return dg.MaterializeResult(metadata=_metadata(update_index(stores.lake())))

    return index


def add_to_index(context: dg.AssetExecutionContext, lake: "Lake") -> None:
    """Update the index after a page was stored, and report that as a materialization of the index.

    An error is a warning: the page is stored, and the next update of any month adds it to the index.
    """
    from taxi_assets.report import update_index

    try:
        update = update_index(lake)
    except TaxiError as error:
        context.log.warning(
            f"the page is stored, but the index of all months lacks it: {error}. The next month's page adds it, and so "
            f"does materializing {INDEX_KEY.to_user_string()}"
        )
    else:
        context.log_event(dg.AssetMaterialization(INDEX_KEY, metadata=_metadata(update)))


def _metadata(update: "IndexUpdate") -> dict[str, dg.MetadataValue]:
    return {
        "dagster/uri": dg.MetadataValue.url(update.uri),
        "taxi/months": dg.MetadataValue.int(update.months),
        "taxi/trips": dg.MetadataValue.int(update.trips),
    }
