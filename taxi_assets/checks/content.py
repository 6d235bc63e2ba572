"""Whether a table holds what the lake holds: as many rows, the same total, the same values in every column."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dagster as dg

from taxi_assets.catalog import SOURCE_MONTH, SOURCE_ROW, Dataset
from taxi_assets.io_managers import LakeIOManager
from taxi_assets.io_managers.slices import named_failures
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.month import Month
from taxi_assets.partitions import month_of_run
from taxi_assets.stores.comparison import Comparison, compare
from taxi_assets.stores.digest import Digest, Parts
from taxi_assets.stores.rows import Rows
from taxi_assets.stores.slices import Slice

_remembered: dict[object, Digest] = {}  # of the newest slice, since a run compares two tables with it


def content_checks(store: str, dataset: Dataset) -> dg.AssetChecksDefinition:
    """The month in the table, compared with the month in the lake; each side adds up its own rows."""
    asset = dg.AssetKey([store, dataset.table])
    spec = partial(dg.AssetCheckSpec, asset=asset, blocking=True)
    rows = spec("rows_equal_clean", description="The month has as many rows in the table as in the lake.")
    total = spec("total_equals_clean", description=f"The sum of {dataset.total} is that of the lake, to the cent.")
    content = spec(
        "content_equals_clean", description="Every column has the values of the lake, in the same rows: a content hash."
    )
    specs = [rows, total, content] if dataset.total else [rows, content]

    @dg.multi_asset_check(
        name=f"{store}__{dataset.table}_equals_clean",
        specs=specs,
        can_subset=True,
        required_resource_keys={store, "lake"},
    )
    def table_equals_clean(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        tables: TableIOManager = getattr(context.resources, store)
        with named_failures():
            found = _compared(context.resources.lake, tables, dataset, month_of_run(context))
        outcomes = {rows.name: found.rows, total.name: found.total, content.name: found.content}
        for name, difference in outcomes.items():
            if dg.AssetCheckKey(asset, name) in context.selected_asset_check_keys:
                yield dg.AssetCheckResult(
                    asset_key=asset,
                    check_name=name,
                    passed=difference is None,
                    description=difference,
                    metadata={"clean": _fact(name, found.expected), "loaded": _fact(name, found.found)},
                )

    return table_equals_clean


def _compared(lake: LakeIOManager, tables: TableIOManager, dataset: Dataset, month: Month) -> Comparison:
    clean = lake.store().read(f"clean/{dataset.table}", [month])
    store = tables.store()

    def found(parts: Parts) -> Digest:
        return store.digest(Slice(dataset.table, month), parts, SOURCE_ROW, dataset.total)

    schema = dataset.schema
    return compare(schema.remove(schema.get_field_index(SOURCE_MONTH)), partial(_digest_of, clean, dataset), found)


def _digest_of(clean: Rows, dataset: Dataset, parts: Parts) -> Digest:
    from taxi_assets.stores.rows_digest import digest_of

    written = clean.objects or tuple(f"{file} {Path(file).stat().st_mtime_ns}" for file in clean.files)
    identity = (written, tuple(parts), dataset.total)
    if not written or identity not in _remembered:
        _remembered.clear()
        _remembered[identity] = digest_of(clean, parts, SOURCE_ROW, dataset.total)
    return _remembered[identity]


def _fact(check: str, digest: Digest) -> dg.MetadataValue:
    if check == "rows_equal_clean":
        return dg.MetadataValue.int(digest.rows)
    if check == "total_equals_clean":
        return dg.MetadataValue.float(digest.total / 10_000)
    return dg.MetadataValue.text(f"{next(iter(digest.parts.values())):x}")
