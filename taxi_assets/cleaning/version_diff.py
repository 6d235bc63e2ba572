"""What a new version of a month changes in the lake's clean rows, which it will replace.

The rows themselves are compared in `row_comparison`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.cleaning.row_comparison import compare_versions
from taxi_assets.cleaning.rows_version import CLEANING_VERSION
from taxi_assets.errors import SchemaMismatch, SliceDamaged, SliceMissing
from taxi_assets.month import Month
from taxi_assets.stores.rows import PROVENANCE, Rows

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

CHANGES = f"{PROVENANCE}changes"
NO_DIFF = "null"
_SINCE = ("source_sha256", "rules", "code_version")  # provenance keys
_VERSION = (*(f"{PROVENANCE}{name}" for name in _SINCE), CLEANING_VERSION)  # equal values mean equal rows


def version_diff(clean: Rows, lake: "Lake", dataset: Dataset, month: Month, scratch: Path) -> str:
    """What the clean rows change in those that the lake has, as JSON; `null` where there is nothing to compare.

    Its keys: `since_sha256`, `since_rules`, `since_code_version`, and those of `compare_versions`.

    It is `null` where the lake has no such month, or has one that cannot be read. Rows of the same file by the same
    rules and code are no new version: they have the diff that the lake has.

    Args:
        clean: the new clean rows.
        lake: the lake with the version that they replace.
        dataset: the rows' dataset.
        month: the rows' month.
        scratch: a folder for DuckDB's temporary files.

    Raises:
        StoreUnavailable: the lake does not answer, or memory or the scratch folder's disk is full.
    """
    try:
        old = lake.read(dataset.path(Layer.CLEAN), [month])
        since = {f"since_{name.removeprefix('source_')}": old.provenance.get(PROVENANCE + name) for name in _SINCE}
        if all(old.provenance.get(name) == clean.provenance.get(name) for name in _VERSION):
            return _stored_diff(lake, dataset, month)
        changes = compare_versions(local_copy(old).with_schema(clean.schema), clean, dataset, scratch)
    except (SliceMissing, SliceDamaged, SchemaMismatch):
        return NO_DIFF
    return json.dumps({**since, **changes})


def with_changes(clean: Rows, diff: str) -> Rows:
    """The clean rows, with the diff as provenance `taxi/changes`, for the audit tables."""
    return clean if diff == NO_DIFF else clean.with_provenance({CHANGES: diff})


def local_copy(rows: Rows) -> Rows:
    """The rows from local files: a month in a bucket is downloaded once, not for each of the comparison's reads."""
    return Rows.from_parquet(map(Path, rows.local_files()))


def _stored_diff(lake: "Lake", dataset: Dataset, month: Month) -> str:
    try:
        file = lake.get_file(dataset.path(Layer.DIFF), dataset.diff_file_template.format(month=month))
    except (SliceMissing, SliceDamaged):
        return NO_DIFF
    return file.path.read_text(encoding="utf-8")
