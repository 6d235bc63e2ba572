"""Queries on the runs and materializations of the Dagster instance: months loaded, in progress or failed.

Reads only. What the stores hold is not asked here: `cli.status` compares the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from taxi_assets import month as calendar
from taxi_assets.catalog import DAILY_IN, DATASETS, TRIPS_IN, Dataset, Layer
from taxi_assets.jobs import trips_job_name
from taxi_assets.month import Month
from taxi_assets.partitions import PARTITION_TAG

IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
RECENT_DAYS = 30
WILL_RETRY = "dagster/will_retry"  # on a run whose process died and that the daemon retries
BACKFILL = "dagster/backfill"  # on the runs of a backfill: its id
ROOT_RUN = "dagster/root_run_id"  # on a run that was made again: the id of the first
_DAILY = {layer.value for layer in DAILY_IN.values()}  # a month counts as loaded without them
_DATA_VERSION = "dagster/data_version"
_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_RUNS_OF_A_MONTH = 100  # the newest, of all datasets
_ORDER = ((Layer.RAW, Layer.CLEAN), (Layer.CLEAN, Layer.POSTGRES), (Layer.CLEAN, Layer.WAREHOUSE))


@dataclass(frozen=True)
class LoadedFile:
    """Metadata of the source file that a month was loaded from.

    Attributes:
        etag: as the source sent it; None where it sent none.
        size: in bytes.
        sha256: of its bytes.
    """

    etag: str | None
    size: int
    sha256: str


def loaded_months(instance: dg.DagsterInstance, dataset: Dataset) -> set[Month]:
    """The months in which every asset is newer than its upstream asset; months that failed half-way are left out."""
    newest = newest_materializations(instance, dataset)
    keys = set.intersection(*(set(found) for found in newest.values()))
    return {
        Month.parse(key)
        for key in keys
        if all(newest[upstream][key] < newest[downstream][key] for upstream, downstream in _ORDER)
    }


def newest_materializations(instance: dg.DagsterInstance, dataset: Dataset) -> Mapping[Layer, Mapping[str, int]]:
    """Layer -> partition -> storage id of its newest materialization event; ids increase with time."""
    return {
        layer: instance.get_latest_storage_id_by_partition(
            dg.AssetKey(dataset.key(layer)), dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        for layer in (Layer.RAW, *TRIPS_IN.values())
    }


def data_versions(instance: dg.DagsterInstance, dataset: Dataset) -> Mapping[Layer, Mapping[str, str]]:
    """Layer -> partition -> data version of its newest materialization, where it records one.

    The data version is the one fact of a materialization that Dagster returns for all partitions by one query.
    """
    return {
        layer: {
            key: tags[_DATA_VERSION]
            for key, tags in instance.event_log_storage.get_latest_tags_by_partition(
                dg.AssetKey(dataset.key(layer)), dg.DagsterEventType.ASSET_MATERIALIZATION, [_DATA_VERSION]
            ).items()
        }
        for layer in TRIPS_IN.values()
    }


def months_in_progress(instance: dg.DagsterInstance, dataset: Dataset) -> set[Month]:
    """The months with a run that is queued, starting, started or canceling."""
    return {
        Month.parse(run.tags[PARTITION_TAG])
        for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS))
        if PARTITION_TAG in run.tags and targets_dataset(run, dataset)
    }


def failed_months(instance: dg.DagsterInstance, dataset: Dataset, days: int = RECENT_DAYS) -> set[Month]:
    """The months whose newest run of the last `days` days failed."""
    newest: dict[str, dg.DagsterRunStatus] = {}
    for run in recent_runs(instance, days):
        if targets_dataset(run, dataset):
            newest.setdefault(run.tags[PARTITION_TAG], run.status)
    return {Month.parse(key) for key, status in newest.items() if status == dg.DagsterRunStatus.FAILURE}


def recent_runs(instance: dg.DagsterInstance, days: int = RECENT_DAYS) -> Sequence[dg.DagsterRun]:
    """The runs of the last `days` days that have a partition, newest first."""
    since = calendar.now() - timedelta(days=days)
    return [run for run in instance.get_runs(dg.RunsFilter(created_after=since)) if PARTITION_TAG in run.tags]


def runs_of_month(instance: dg.DagsterInstance, dataset: Dataset, month: Month) -> Sequence[dg.RunRecord]:
    """The last runs of the month, newest first."""
    wanted = dg.RunsFilter(tags={PARTITION_TAG: str(month)})
    records = instance.get_run_records(wanted, limit=_RUNS_OF_A_MONTH)
    return [record for record in records if targets_dataset(record.dagster_run, dataset)]


def newest_run(instance: dg.DagsterInstance) -> int:
    """The highest storage id of any run, 0 if there is none; later runs get higher ones."""
    return next((record.storage_id for record in instance.get_run_records(limit=1)), 0)


def targets_dataset(run: dg.DagsterRun, dataset: Dataset) -> bool:
    """Whether the run loads months of the dataset, judged by its asset selection or else its job."""
    if run.asset_selection:
        return any(key.path[0] == dataset.name and key.path[-1] not in _DAILY for key in run.asset_selection)
    return run.job_name == trips_job_name(dataset)


def describe_run(run: dg.DagsterRun, where: Iterable[str] = ()) -> str:
    """The datasets and months of a run, for example `green 2024-01`, however it was launched.

    Args:
        run: its asset selection is used, or else its job's name.
        where: keys of assets known to belong to it, as `green/postgres_trips`; used where neither names a dataset.
    """
    selected = [*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())]
    names = {part for key in selected for part in key.path} or {run.job_name}
    ends = [run.tags[tag] for tag in _RANGE_TAGS if tag in run.tags]
    months = run.tags.get(PARTITION_TAG, "..".join(ends))
    groups = _groups(names) or _groups({part for key in where for part in key.split("/")}) or [run.job_name]
    return " ".join([*groups, *([months] if months else [])])


def _groups(names: set[str]) -> list[str]:
    datasets = sorted({name.partition("_")[0] for name in names} & {dataset.name for dataset in DATASETS})
    return datasets or (["zones"] if any("zone" in name for name in names) else [])


def raw_months(instance: dg.DagsterInstance, dataset: Dataset) -> list[Month]:
    """The months whose source file was materialized, oldest first."""
    return sorted(map(Month.parse, instance.get_materialized_partitions(dg.AssetKey(dataset.key(Layer.RAW)))))


def loaded_file(instance: dg.DagsterInstance, dataset: Dataset, month: Month) -> LoadedFile | None:
    """The source file that the month was last loaded from; None if no materialization records one."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(dataset.key(Layer.RAW)), asset_partitions=[str(month)])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        facts = record.asset_materialization.metadata if record.asset_materialization else {}
        if "taxi/source_sha256" in facts:
            return LoadedFile(
                str(facts["taxi/source_etag"].value) or None,
                int(str(facts["taxi/bytes"].value)),
                str(facts["taxi/source_sha256"].value),
            )
    return None
