"""Blocking check that a new version of a month has not lost most of its rows, evaluated before anything is stored.

The thresholds are in `cleaning.month_version`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.catalog import TABLE_STORES, Dataset, Layer
from taxi_assets.checks.monthly import monthly_check_spec
from taxi_assets.errors import InvalidRequest, SliceDamaged, SliceMissing, TaxiError
from taxi_assets.jobs import clean_op_name
from taxi_assets.month import Month
from taxi_assets.resources import StoresResource
from taxi_assets.settings import TLC_CDN
from taxi_assets.source.synthetic import is_sample_url, is_synthetic_provenance
from taxi_assets.stores.base import TableSlice
from taxi_assets.stores.factory import LOAD_LOG
from taxi_assets.stores.load_log import Line, lines_of

if TYPE_CHECKING:
    from taxi_assets.cleaning import Cleaned
    from taxi_assets.cleaning.month_version import MonthVersion

NOT_SHRUNK = "not_shrunk"


def shrinkage_spec(dataset: Dataset) -> dg.AssetCheckSpec:
    """The spec of the check; the step of the clean asset evaluates it."""
    return monthly_check_spec(
        dataset,
        Layer.CLEAN,
        NOT_SHRUNK,
        description=(
            "The new version has more than half of the rows of the loaded version, and less than ten times its share "
            "of quarantine. Otherwise no store replaces the month."
        ),
        blocking=True,
    )


def shrinkage_result(
    cleaned: "Cleaned",
    dataset: Dataset,
    month: Month,
    stores: StoresResource,
    *,
    accepted: bool,
) -> dg.AssetCheckResult:
    """The check's result; the step must not store a version that fails it.

    Args:
        cleaned: the new version.
        dataset: of the rows.
        month: of the rows.
        stores: the loaded version is read from the lake, or else from the audit tables.
        accepted: whether to store the version in any case.

    Raises:
        InvalidRequest: a table holds the month from TLC and the new version is synthetic, or vice versa.
        StoreUnavailable: the lake does not answer.
    """
    from taxi_assets.cleaning.month_version import MonthVersion, shrinkage_reasons

    now = MonthVersion(cleaned.source_rows, cleaned.rejected)
    before = _in_lake(stores, dataset, month)
    if before is None:
        lines = _newest_first(stores, dataset, month)
        _require_same_kind(lines, cleaned.clean.provenance, dataset, month)
        before = _version_of(lines)
    lost = shrinkage_reasons(before, now)
    text = _text(dataset, month, lost, now, before, accepted=accepted) if lost else None
    return dg.AssetCheckResult(
        check_name=NOT_SHRUNK,
        asset_key=dataset.key(Layer.CLEAN),
        passed=not lost or accepted,
        severity=dg.AssetCheckSeverity.ERROR,
        description=text,
        metadata={**_facts("new", now), **(_facts("loaded", before) if before else {}), "accepted": accepted},
    )


def _in_lake(stores: StoresResource, dataset: Dataset, month: Month) -> "MonthVersion | None":
    from taxi_assets.cleaning.month_version import MonthVersion

    try:
        return MonthVersion.of(stores.lake().read(dataset.path(Layer.CLEAN), [month]).provenance)
    except (SliceMissing, SliceDamaged):
        return None


def _newest_first(stores: StoresResource, dataset: Dataset, month: Month) -> list[Line]:
    """The month's lines in the audit tables; a store that does not answer is left to its own step to report."""
    found: list[Line] = []
    for store in TABLE_STORES:
        try:
            found += lines_of(stores.tables(store), LOAD_LOG, TableSlice(dataset.table, month))
        except TaxiError:
            continue
    return sorted(found, key=lambda line: line["finished_at"], reverse=True)


def _version_of(newest_first: Sequence[Line]) -> "MonthVersion | None":
    from taxi_assets.cleaning.month_version import MonthVersion

    for line in newest_first:
        if line["source_rows"] is not None and line["rejected_by_rule"] is not None:
            return MonthVersion(line["source_rows"], line["rejected_by_rule"])
    return None


def _require_same_kind(
    newest_first: Sequence[Line], provenance: Mapping[str, str], dataset: Dataset, month: Month
) -> None:
    """Refuse to mix synthetic and real data in tables that another home shares, whose lake is not at hand."""
    url = next((line["source_url"] or "" for line in newest_first), "")
    if (is_sample_url(url) or url.startswith(TLC_CDN)) and is_sample_url(url) != is_synthetic_provenance(provenance):
        raise InvalidRequest(
            f"the tables hold {dataset.name} {month} from {url}, and synthetic data and TLC's do not mix: set "
            "TAXI_POSTGRES and TAXI_WAREHOUSE to others, or unset them and give TAXI_HOME a folder of its own"
        )


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
    summary = f"{dataset.name} {month}: {', '.join(lost)}. The new version has {now}. {than}"
    if accepted:
        return f"{summary}. It is loaded all the same, as asked for (accept_shrunk)."
    return (
        f"{summary}, and stays as it is in every store. If the new version is right, load it by: taxi run "
        f"{dataset.name} {month} --accept-shrunk, or with accept_shrunk: true in the run config "
        f"of {clean_op_name(dataset)}."
    )


def _facts(which: str, version: "MonthVersion") -> dict[str, int]:
    return {f"{which}_source_rows": version.source_rows, f"{which}_clean_rows": version.clean_rows}
