"""Monthly assets of a dataset: source file -> clean rows, quarantine and version diff -> tables.

Cleaning and comparing are the work of `cleaning`, loading that of the IO managers.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from taxi_assets.assets.specs import io_manager_key, table_in
from taxi_assets.automation.observed_files import report_fetched
from taxi_assets.catalog import (
    DEFAULT_RULES,
    PUBLICATION_LAG_DAYS,
    RULES,
    TABLE_STORES,
    TRIPS_IN,
    Dataset,
    Layer,
    Store,
)
from taxi_assets.checks.known_columns import columns_result, columns_spec
from taxi_assets.checks.shrinkage import shrinkage_result, shrinkage_spec
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.io_managers.lake import FILE_NAME, PUBLISHED_WITH
from taxi_assets.io_managers.metadata import column_lineage
from taxi_assets.jobs import clean_op_name, step_tags
from taxi_assets.partitions import month_of_run, months_of
from taxi_assets.raw_file import RawFile
from taxi_assets.resources import (
    ScratchResource,
    SourceRecordResource,
    SourceResource,
    StoresResource,
    log_progress,
)
from taxi_assets.resources.pools import TLC
from taxi_assets.settings.places import Role
from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:
    from taxi_assets.cleaning import Cleaned

CHANGES = "taxi/changes"
_SHORTEST_LAG, _LONGEST_LAG = PUBLICATION_LAG_DAYS
# Two publications are at most a month and the difference of the lags apart; after that, TLC has published a month that
# is not loaded.
FRESH = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=31 + _SHORTEST_LAG), fail_window=timedelta(days=31 + _LONGEST_LAG - _SHORTEST_LAG + 7)
)


def follow_clean(apart_from: Sequence[dg.AssetKey] = ()) -> dg.AutomationCondition[dg.AssetKey]:
    """Materialize a partition, of any month, after its clean partition was re-materialized without it.

    Args:
        apart_from: upstream assets whose updates, absence or runs are ignored.
    """
    others = dg.AssetSelection.assets(*apart_from)

    def any_deps(condition: "dg.AnyDepsCondition") -> "dg.AnyDepsCondition":
        return condition.ignore(others) if apart_from else condition

    condition = dg.AutomationCondition
    return (
        any_deps(condition.any_deps_updated()).since_last_handled()
        & condition.all_deps_blocking_checks_passed()
        & ~any_deps(condition.any_deps_missing())
        & ~any_deps(condition.any_deps_in_progress())
        & ~condition.in_progress()
    ).with_label("clean partition re-materialized")


FOLLOW_CLEAN = follow_clean()


class CleaningConfig(dg.Config):
    """Run config of cleaning: the rules to apply; rules that always apply need not be listed."""

    rules: list[str] = Field(default=list(DEFAULT_RULES), description="Names of the rules to apply.")
    accept_shrunk: bool = Field(
        default=False, description="Load the month even if it lost most of the rows of the loaded version."
    )


def trips_assets(dataset: Dataset, roles: Mapping[str, Role]) -> list[dg.AssetsDefinition]:
    """The assets of one dataset; `roles` maps a store to its technology."""
    return [_raw(dataset), _clean(dataset), *(_table(store, dataset, roles[store]) for store in TABLE_STORES)]


def _published_with_clean(dataset: Dataset) -> dict[str, str]:
    """Definition metadata: file, quarantine, diff and clean rows of a month are published together."""
    return {PUBLISHED_WITH: dataset.path(Layer.CLEAN)}


def _raw(dataset: Dataset) -> dg.AssetsDefinition:
    @dg.asset(
        key=dataset.key(Layer.RAW),
        deps=[dataset.published_key],
        description=f"TLC's source file, byte for byte. {dataset.description}",
        partitions_def=months_of(dataset),
        io_manager_key=io_manager_key(Store.LAKE),
        pool=TLC,
        group_name=dataset.name,
        metadata={FILE_NAME: dataset.file_name_template, **_published_with_clean(dataset)},
    )
    def raw_trips(
        context: dg.AssetExecutionContext,
        source: SourceResource,
        source_record: SourceRecordResource,
        scratch: ScratchResource,
        stores: StoresResource,
    ) -> Iterator[dg.Output[RawFile]]:
        from taxi_assets.source import fetch_month

        with map_errors_to_failures(), scratch.folder() as folder:
            source_record.record().check_url(source.open().url)
            month = month_of_run(context)
            raw = fetch_month(source.open(), dataset, month, folder, log_progress)
            source_record.record().check_and_record(raw, stores.lake())
            report_fetched(context, dataset, month, raw)
            context.set_data_version(context.asset_key, dg.DataVersion(raw.sha256))
            yield dg.Output(raw)

    return raw_trips


def _clean(dataset: Dataset) -> dg.AssetsDefinition:
    raw_key, clean_key = dg.AssetKey(dataset.key(Layer.RAW)), dg.AssetKey(dataset.key(Layer.CLEAN))
    rules = "; ".join(f"{rule.name}: {rule.description}" for rule in RULES if rule.default and rule.applies_to(dataset))
    lake = io_manager_key(Store.LAKE)

    @dg.multi_asset(
        name=clean_op_name(dataset),
        ins={"raw": dg.AssetIn(raw_key)},
        outs={
            "quarantine": dg.AssetOut(
                key=dataset.key(Layer.QUARANTINE),
                description=f"Rejected rows with their original values and the rules that they broke. Rules: {rules}.",
                io_manager_key=lake,
                metadata=_published_with_clean(dataset),
            ),
            "diff": dg.AssetOut(
                key=dataset.key(Layer.DIFF),
                description=(
                    "What changed since the partition's last version: rows added, removed and changed, and examples."
                ),
                io_manager_key=lake,
                metadata={FILE_NAME: dataset.diff_file_template, **_published_with_clean(dataset)},
            ),
            "clean": dg.AssetOut(
                key=clean_key,
                description=f"Rows that broke no rule, with canonical column names and types. {dataset.description}",
                io_manager_key=lake,
                metadata=_published_with_clean(dataset),
            ),
        },
        partitions_def=months_of(dataset),
        group_name=dataset.name,
        check_specs=[shrinkage_spec(dataset), columns_spec(dataset)],
    )
    def clean_trips(
        context: dg.AssetExecutionContext,
        config: CleaningConfig,
        scratch: ScratchResource,
        stores: StoresResource,
        raw: RawFile,
    ) -> Iterator[dg.Output[Rows] | dg.Output[Path] | dg.AssetCheckResult]:
        from taxi_assets.cleaning import cleaned_month, version_diff

        month = month_of_run(context)
        with (
            map_errors_to_failures(),
            scratch.folder() as folder,
            cleaned_month(raw, dataset, month, config.rules, folder) as cleaned,
        ):
            _record_version(context, cleaned.clean)
            not_shrunk = shrinkage_result(cleaned, dataset, month, stores, accepted=config.accept_shrunk)
            if not not_shrunk.passed:
                yield not_shrunk
                raise dg.Failure(not_shrunk.description, allow_retries=False)
            diff = version_diff(cleaned.clean, stores.lake(), dataset, month, folder)
            yield from _outputs(cleaned, raw_key, diff, folder / dataset.diff_file_template.format(month=month))
            # After the rows: automation conditions count a result only if it is newer than the materialization.
            yield not_shrunk
            yield columns_result(cleaned, dataset, month)

    return clean_trips


def _outputs(
    cleaned: "Cleaned", raw_key: dg.AssetKey, diff: str, path: Path
) -> Iterator[dg.Output[Rows] | dg.Output[Path]]:
    """Quarantine, diff and clean rows with column lineage; the clean rows come last, since they publish the others."""
    unchanged = {name: name for name in cleaned.source_columns}
    yield dg.Output(cleaned.quarantine, "quarantine", column_lineage(raw_key, unchanged))
    path.write_text(diff, encoding="utf-8")
    yield dg.Output(path, "diff", {CHANGES: dg.MetadataValue.json(json.loads(diff))})
    yield dg.Output(cleaned.clean, "clean", column_lineage(raw_key, cleaned.sources))


def _table(store: Store, dataset: Dataset, role: Role) -> dg.AssetsDefinition:
    clean_key = dg.AssetKey(dataset.key(Layer.CLEAN))

    @dg.asset(
        key=dataset.key(TRIPS_IN[store]),
        ins={"clean": dg.AssetIn(clean_key), "version_diff": dg.AssetIn(dataset.key(Layer.DIFF))},
        description=f"The clean rows as a database table. {dataset.description}",
        partitions_def=months_of(dataset),
        io_manager_key=io_manager_key(store),
        group_name=dataset.name,
        metadata=table_in(role, dataset.table),
        automation_condition=FOLLOW_CLEAN,
        freshness_policy=FRESH,
        op_tags=step_tags(store),
    )
    def trips_table(context: dg.AssetExecutionContext, clean: Rows, version_diff: Path) -> dg.Output[Rows]:
        from taxi_assets.cleaning import with_changes

        _record_version(context, clean)
        lineage = column_lineage(clean_key, {name: name for name in clean.schema.names})
        return dg.Output(with_changes(clean, version_diff.read_text(encoding="utf-8")), metadata=lineage)

    return trips_table


def _record_version(context: dg.AssetExecutionContext, clean: Rows) -> None:
    """Set what the rows were made from as the data version: the UI and `taxi status` find stale months by it."""
    from taxi_assets.cleaning import RowsVersion

    version = RowsVersion.of(clean.provenance)
    if version is not None:
        for key in context.selected_asset_keys:
            context.set_data_version(key, dg.DataVersion(str(version)))
