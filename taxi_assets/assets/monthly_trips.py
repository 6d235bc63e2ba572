"""A dataset's assets: raw file -> clean rows and quarantine -> tables, all by month."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from taxi_assets.catalog import DEFAULT_RULES, PUBLICATION_LAG_DAYS, RULES, Dataset
from taxi_assets.checks.shrinkage import refuse_shrunk, shrinkage_spec
from taxi_assets.io_managers.common import named_failures
from taxi_assets.io_managers.lake import FILE_NAME, PUBLISHED_WITH, LakeIOManager
from taxi_assets.io_managers.metadata import column_lineage
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.partitions import month_of_run, months_of
from taxi_assets.raw_file import RawFile
from taxi_assets.resources import ScratchResource, SourceRecordResource, SourceResource, tell_download
from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:
    from taxi_assets.cleaning import Cleaned

COLUMNS_KNOWN = "columns_known"
OWNERS = ["team:taxi-assets"]
_SHORTEST_LAG, _LONGEST_LAG = PUBLICATION_LAG_DAYS
# Between two publications lie a month and, where the first came as early and the second as late as any, the difference
# of the lags: only after that has TLC surely published something that is not loaded.
FRESH = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=31 + _SHORTEST_LAG), fail_window=timedelta(days=31 + _LONGEST_LAG - _SHORTEST_LAG + 7)
)
# A table is made again when its clean month was made without it, whichever month that is.
FOLLOW_CLEAN = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("its clean month was made again")


class CleaningConfig(dg.Config):
    """Which rules send a row to quarantine; those that always apply need not be named."""

    rules: list[str] = Field(default=list(DEFAULT_RULES), description="Names of the rules to apply.")
    accept_shrunk: bool = Field(
        default=False, description="Load the month even where next to nothing is left of the version that is loaded."
    )

    def version_of(self, raw: RawFile) -> dg.DataVersion:
        """What the outcome depends on, by which the UI tells what is stale: the file, and the rules if others apply."""
        others = "" if set(self.rules) == set(DEFAULT_RULES) else f" by {','.join(sorted(self.rules))}"
        return dg.DataVersion(f"{raw.sha256}{others}")


def tags_of(dataset: Dataset, layer: str) -> dict[str, str]:
    """What the UI can filter assets by."""
    return {"dataset": dataset.name, "layer": layer, "source": "nyc-tlc"}


def trips_assets(dataset: Dataset, kinds: Mapping[str, str]) -> list[dg.AssetsDefinition]:
    """The assets of one dataset; `kinds` tells the technology of each role, for the UI."""
    return [
        _raw(dataset, kinds),
        _clean(dataset, kinds),
        _table("postgres", dataset, kinds["postgres"]),
        _table("warehouse", dataset, kinds["warehouse"]),
    ]


def _together(dataset: Dataset) -> dict[str, str]:
    """A month's file, its clean rows and its quarantine are of one version, so that a month can be made again."""
    return {PUBLISHED_WITH: f"clean/{dataset.table}"}


def _raw(dataset: Dataset, kinds: Mapping[str, str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", dataset.table],
        description=f"TLC's own file, byte for byte. {dataset.description}",
        partitions_def=months_of(dataset),
        io_manager_key="lake",
        group_name=dataset.name,
        kinds={"parquet", kinds["lake"]},
        metadata={FILE_NAME: dataset.file_name_template, **_together(dataset)},
        owners=OWNERS,
        tags=tags_of(dataset, "raw"),
    )
    def raw_trips(
        context: dg.AssetExecutionContext,
        source: SourceResource,
        source_record: SourceRecordResource,
        scratch: ScratchResource,
        lake: dg.ResourceParam[LakeIOManager],
    ) -> Iterator[dg.Output[RawFile]]:
        from taxi_assets.source import fetch_month

        with named_failures(), scratch.folder() as folder:
            source_record.record().check_url(source.open().url)
            raw = fetch_month(source.open(), dataset, month_of_run(context), folder, tell_download)
            source_record.record().check_and_record(raw, lake.store())
            context.set_data_version(context.asset_key, dg.DataVersion(raw.sha256))
            yield dg.Output(raw)

    return raw_trips


def _clean(dataset: Dataset, kinds: Mapping[str, str]) -> dg.AssetsDefinition:
    raw_key, clean_key = dg.AssetKey(["raw", dataset.table]), dg.AssetKey(["clean", dataset.table])
    rules = "; ".join(f"{rule.name}: {rule.description}" for rule in RULES if rule.default and rule.applies_to(dataset))

    @dg.multi_asset(
        name=f"clean_{dataset.table}",
        ins={"raw": dg.AssetIn(raw_key)},
        outs={
            "quarantine": dg.AssetOut(
                key=["quarantine", dataset.table],
                description=f"The rows that broke a rule, as TLC published them, with the rules. Rules: {rules}.",
                io_manager_key="lake",
                kinds={"parquet", kinds["lake"]},
                metadata=_together(dataset),
                owners=OWNERS,
                tags=tags_of(dataset, "quarantine"),
            ),
            "clean": dg.AssetOut(
                key=clean_key,
                description=f"Every row that broke no rule, under canonical names and types. {dataset.description}",
                io_manager_key="lake",
                kinds={"duckdb", "parquet", kinds["lake"]},
                metadata=_together(dataset),
                owners=OWNERS,
                tags=tags_of(dataset, "clean"),
            ),
        },
        partitions_def=months_of(dataset),
        group_name=dataset.name,
        check_specs=[
            shrinkage_spec(dataset),
            dg.AssetCheckSpec(
                COLUMNS_KNOWN, asset=clean_key, description="The file has the columns that the catalogue expects."
            ),
        ],
    )
    def clean_trips(
        context: dg.AssetExecutionContext,
        config: CleaningConfig,
        scratch: ScratchResource,
        lake: dg.ResourceParam[LakeIOManager],
        raw: RawFile,
        *,
        postgres: dg.ResourceParam[TableIOManager],
        warehouse: dg.ResourceParam[TableIOManager],
    ) -> Iterator[dg.Output[Rows] | dg.AssetCheckResult]:
        from taxi_assets.cleaning import cleaned_month, with_changes

        month = month_of_run(context)
        with (
            named_failures(),
            scratch.folder() as folder,
            cleaned_month(raw, dataset, month, config.rules, folder) as cleaned,
        ):
            for key in context.selected_asset_keys:
                context.set_data_version(key, config.version_of(raw))
            yield from refuse_shrunk(
                cleaned, dataset, month, lake, (postgres, warehouse), accepted=config.accept_shrunk
            )
            clean = with_changes(cleaned.clean, lake.store(), dataset, month, folder)
            yield from _outputs(cleaned, clean, raw_key)
            yield dg.AssetCheckResult(
                check_name=COLUMNS_KNOWN,
                asset_key=clean_key,
                passed=not (cleaned.unknown_columns or cleaned.missing_columns),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"unknown": list(cleaned.unknown_columns), "missing": list(cleaned.missing_columns)},
            )

    return clean_trips


def _outputs(cleaned: "Cleaned", clean: Rows, raw_key: dg.AssetKey) -> Iterator[dg.Output[Rows]]:
    """Both streams, each with the columns of the file that its own are made from."""
    unchanged = {name: name for name in cleaned.source_columns}
    for name, rows, sources in (
        ("quarantine", cleaned.quarantine, unchanged),
        ("clean", clean, cleaned.sources),
    ):
        yield dg.Output(rows, name, column_lineage(raw_key, sources))


def _table(store: str, dataset: Dataset, kind: str) -> dg.AssetsDefinition:
    clean_key = dg.AssetKey(["clean", dataset.table])

    @dg.asset(
        key=[store, dataset.table],
        ins={"clean": dg.AssetIn(clean_key)},
        description=f"The clean rows as a table. {dataset.description}",
        partitions_def=months_of(dataset),
        io_manager_key=store,
        group_name=dataset.name,
        kinds={kind},
        automation_condition=FOLLOW_CLEAN,
        freshness_policy=FRESH,
        owners=OWNERS,
        tags=tags_of(dataset, store),
    )
    def trips_table(clean: Rows) -> dg.Output[Rows]:
        return dg.Output(clean, metadata=column_lineage(clean_key, {name: name for name in clean.schema.names}))

    return trips_table
