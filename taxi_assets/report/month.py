"""From the rows in the lake to all that a month's page shows."""

from pathlib import Path

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.report.figures import month_figures, rejected_examples, trips_by_day
from taxi_assets.report.page import MonthReport
from taxi_assets.report.pictures import Zones
from taxi_assets.stores.rows import Rows


def month_report(
    dataset: Dataset,
    month: Month,
    clean: Rows,
    quarantine: Rows,
    scratch: Path,
    *,
    year_before: Rows | None,
    zones: Zones,
) -> MonthReport:
    """Count what the page of the month shows.

    Args:
        dataset: whose month it is.
        month: which one.
        clean: its clean rows.
        quarantine: its rejected rows.
        scratch: a folder for what does not fit into memory.
        year_before: the clean rows of the same month a year before; None where they are not there.
        zones: names and shapes.

    Raises:
        StoreUnavailable: the scratch folder's disk is full.
    """
    return MonthReport(
        dataset,
        month,
        month_figures(clean, dataset, month, scratch),
        None if year_before is None else trips_by_day(year_before, month.plus(-12), scratch),
        rejected_examples(quarantine, scratch),
        zones,
        clean.provenance,
    )
