"""Stops a run before a good month is replaced by next to nothing; evaluated before any of the month is stored."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.audit import lines_of
from taxi_assets.catalog import Dataset
from taxi_assets.errors import SliceDamaged, SliceMissing, TaxiError
from taxi_assets.io_managers import LakeIOManager
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.month import Month
from taxi_assets.stores.slices import Slice

if TYPE_CHECKING:
    from taxi_assets.cleaning import Cleaned
    from taxi_assets.cleaning.shrinkage import MonthVersion

NOT_SHRUNK = "not_shrunk"


def shrinkage_spec(dataset: Dataset) -> dg.AssetCheckSpec:
    """The check of the clean asset; the asset's own step evaluates it."""
    return dg.AssetCheckSpec(
        NOT_SHRUNK,
        asset=["clean", dataset.table],
        description=(
            "The new version has more than half of the rows of the one that is loaded, and not ten times its share of "
            "quarantine. Otherwise nothing is replaced in any store."
        ),
        blocking=True,
    )


def refuse_shrunk(
    cleaned: "Cleaned",
    dataset: Dataset,
    month: Month,
    lake: LakeIOManager,
    tables: Sequence[TableIOManager],
    *,
    accepted: bool,
) -> Iterator[dg.AssetCheckResult]:
    """Yield the check's result, and end the step where the version may not be stored.

    Args:
        cleaned: the version that is about to be stored.
        dataset: of the rows.
        month: of the rows.
        lake: tells the version that is loaded.
        tables: their audit logs tell it where the lake does not.
        accepted: whether the version is to be stored all the same.

    Raises:
        Failure: the version lost too much; nothing was stored.
        StoreUnavailable: the lake does not answer.
    """
    from taxi_assets.cleaning.shrinkage import MonthVersion, losses

    now = MonthVersion(cleaned.source_rows, cleaned.rejected)
    before = _in_lake(lake, dataset, month) or _in_audit_logs(tables, dataset, month)
    lost = losses(before, now)
    text = _text(dataset, month, lost, now, before, accepted=accepted) if lost else None
    stops = bool(lost) and not accepted
    yield dg.AssetCheckResult(
        check_name=NOT_SHRUNK,
        asset_key=["clean", dataset.table],
        passed=not stops,
        severity=dg.AssetCheckSeverity.ERROR,
        description=text,
        metadata={**_facts("new", now), **(_facts("loaded", before) if before else {}), "accepted": accepted},
    )
    if stops:
        raise dg.Failure(text, allow_retries=False)


def _in_lake(lake: LakeIOManager, dataset: Dataset, month: Month) -> "MonthVersion | None":
    from taxi_assets.cleaning.shrinkage import MonthVersion

    try:
        return MonthVersion.of(lake.store().read(f"clean/{dataset.table}", [month]).provenance)
    except (SliceMissing, SliceDamaged):
        return None


def _in_audit_logs(tables: Sequence[TableIOManager], dataset: Dataset, month: Month) -> "MonthVersion | None":
    """The version of the newest load; a table that does not answer now is for its own step to report."""
    from taxi_assets.cleaning.shrinkage import MonthVersion

    found = []
    for table in tables:
        try:
            if table.ledger is not None:
                found += lines_of(table.open_store(), table.ledger, Slice(dataset.table, month))
        except TaxiError:
            continue
    for line in sorted(found, key=lambda line: line["finished_at"], reverse=True):
        if line["source_rows"] is not None and line["rejected_by_rule"] is not None:
            return MonthVersion(line["source_rows"], line["rejected_by_rule"])
    return None


def _text(
    dataset: Dataset,
    month: Month,
    lost: Sequence[str],
    now: "MonthVersion",
    before: "MonthVersion | None",
    *,
    accepted: bool,
) -> str:
    than = f"The version that is loaded has {before}" if before else "No version of it is loaded"
    told = f"{dataset.name} {month}: {', '.join(lost)}. The new version has {now}. {than}"
    if accepted:
        return f"{told}. It is loaded all the same, as asked for (accept_shrunk)."
    return (
        f"{told}, and stays as it is in every store. If the new version is right, load it by: taxi run {dataset.name} "
        f"{month} --accept-shrunk, or with accept_shrunk: true in the run config of clean_{dataset.table}."
    )


def _facts(which: str, version: "MonthVersion") -> dict[str, int]:
    return {f"{which}_source_rows": version.source_rows, f"{which}_clean_rows": version.clean_rows}
