"""Asset checks: a table equals the lake in row count, total amount and content hash.

The digests are computed in `stores.digest`, and compared in `stores.comparison`.
"""

from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.catalog import SOURCE_MONTH, SOURCE_ROW, TRIPS_IN, Dataset, Layer, Store
from taxi_assets.checks.monthly import monthly_check
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.jobs import step_tags
from taxi_assets.month import Month
from taxi_assets.partitions import month_of_run
from taxi_assets.resources import StoresResource
from taxi_assets.stores.base import TableSlice, TableStore
from taxi_assets.stores.comparison import Comparison, compare
from taxi_assets.stores.digest import Digest, Parts
from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake

EQUALS_CLEAN = "equals_clean"

_cached: dict[object, Digest] = {}  # of the newest slice, which a run compares with two tables
_computing = Lock()  # both comparisons may be made at the same time


def content_check(store: Store, dataset: Dataset) -> dg.AssetChecksDefinition:
    """Blocking check of a table: compares a month with the lake; each store computes its own digest."""

    @monthly_check(
        dataset,
        TRIPS_IN[store],
        EQUALS_CLEAN,
        description="The table equals the lake in row count, total amount and content hash.",
        blocking=True,
        op_tags=step_tags(store),
    )
    def equals_clean(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        month = month_of_run(context)
        with map_errors_to_failures():
            found = _compared(stores.lake(), stores.tables(store), dataset, month)
        text = (
            f"{dataset.name} {month} in {store}: {'; '.join(found.differences)}. "
            f"To load the month again: taxi run {dataset.name} {month}"
        )
        return dg.AssetCheckResult(
            passed=not found.differences,
            description=text if found.differences else None,
            metadata={**_facts("clean", found.expected, dataset), **_facts("loaded", found.found, dataset)},
        )

    return equals_clean


def _compared(lake: "Lake", tables: TableStore, dataset: Dataset, month: Month) -> Comparison:
    clean = lake.read(dataset.path(Layer.CLEAN), [month])

    def found(parts: Parts) -> Digest:
        return tables.digest(TableSlice(dataset.table, month), parts, SOURCE_ROW, dataset.total)

    schema = dataset.schema
    return compare(schema.remove(schema.get_field_index(SOURCE_MONTH)), partial(_digest_of, clean, dataset), found)


def _digest_of(clean: Rows, dataset: Dataset, parts: Parts) -> Digest:
    from taxi_assets.stores.duckdb.rows_digest import digest_of

    written = clean.objects or tuple(f"{file} {Path(file).stat().st_mtime_ns}" for file in clean.files)
    identity = (written, tuple(parts), dataset.total)
    with _computing:
        if not written or identity not in _cached:
            _cached.clear()
            _cached[identity] = digest_of(clean, parts, SOURCE_ROW, dataset.total)
        return _cached[identity]


def _facts(side: str, digest: Digest, dataset: Dataset) -> dict[str, int | float | str]:
    total = {f"{side}_total": digest.total / 10_000} if dataset.total else {}
    [content] = digest.parts.values()
    return {f"{side}_rows": digest.rows, **total, f"{side}_content": f"{content:x}"}
