"""The data of a month's page, from its rows in the lake; `page` renders it."""

import logging
from collections.abc import Callable, Container, Mapping
from datetime import date
from pathlib import Path

from taxi_assets.catalog import Dataset
from taxi_assets.errors import SliceDamaged
from taxi_assets.month import Month
from taxi_assets.report.figures import month_figures, rejected_examples, trips_by_day
from taxi_assets.report.links import month_links
from taxi_assets.report.page import MonthReport
from taxi_assets.report.sections import Zones
from taxi_assets.source.synthetic import is_synthetic_provenance
from taxi_assets.stores.rows import Rows

logger = logging.getLogger(__name__)


def month_report(
    dataset: Dataset,
    month: Month,
    clean: Rows,
    quarantine: Rows,
    scratch: Path,
    *,
    year_before: Rows | None,
    zones: Zones,
    pages: Container[str] = (),
    warn: Callable[[str], object] = logger.warning,
) -> MonthReport:
    """Aggregate the data of the month's page.

    Args:
        dataset: the month's dataset.
        month: the month.
        clean: its clean rows.
        quarantine: its quarantined rows.
        scratch: a folder for DuckDB's temporary files.
        year_before: the clean rows of the same month a year before; None where it is not loaded. Synthetic and real
            months are not compared.
        zones: names and shapes.
        pages: file names of the dataset's pages in the lake, for the links to other months.
        warn: logs a warning about data that the page lacks.

    Raises:
        StoreUnavailable: memory or the scratch folder's disk is full.
        SliceDamaged: the month's own file cannot be read.
    """
    return MonthReport(
        dataset,
        month,
        month_figures(clean, dataset, month, scratch),
        _trips_by_day(year_before, dataset, month.plus(-12), scratch, warn)
        if year_before is not None
        and is_synthetic_provenance(year_before.provenance) == is_synthetic_provenance(clean.provenance)
        else None,
        rejected_examples(quarantine, scratch),
        zones,
        clean.provenance,
        month_links(dataset, month, pages),
    )


def _trips_by_day(
    rows: Rows, dataset: Dataset, month: Month, scratch: Path, warn: Callable[[str], object]
) -> Mapping[date, int] | None:
    try:
        return trips_by_day(rows, month, scratch)
    except SliceDamaged as error:
        warn(f"the page omits the comparison with {month}: {error}: taxi run {dataset.name} {month}")
        return None
