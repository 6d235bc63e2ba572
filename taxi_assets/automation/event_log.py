"""What Dagster's own records say about months: which are loaded, which are under way, and what was loaded of one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from taxi_assets import month as calendar
from taxi_assets.catalog import DAILY_IN, DATASETS, TRIPS_IN, Dataset, Layer
from taxi_assets.jobs import trips_job_name
from taxi_assets.month import Month
from taxi_assets.partitions import PARTITION_TAG

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
RECENT_DAYS = 30
WILL_RETRY = "dagster/will_retry"  # on a run whose process died, and that Dagster starts again by itself
_DAILY = {layer.value for layer in DAILY_IN.values()}  # made from a loaded month, and no part of loading it
_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_RUNS_OF_A_MONTH = 100  # of every dataset, the newest
_ORDER = ((Layer.RAW, Layer.CLEAN), (Layer.CLEAN, Layer.POSTGRES), (Layer.CLEAN, Layer.WAREHOUSE))


@dataclass(frozen=True)
class LoadedFile:
    """What was known of a month's file when it was loaded.

    Attributes:
        etag: as the source sent it; None where it sent none.
        size: in bytes.
        sha256: of its bytes.
    """

    etag: str | None
    size: int
    sha256: str


def loaded_months(instance: dg.DagsterInstance, dataset: Dataset) -> set[Month]:
    """The months whose every asset was made from the one before it: what failed half-way is not among them."""
    newest = newest_materializations(instance, dataset)
    keys = set.intersection(*(set(found) for found in newest.values()))
    return {Month.parse(key) for key in keys if all(newest[first][key] < newest[then][key] for first, then in _ORDER)}


def newest_materializations(instance: dg.DagsterInstance, dataset: Dataset) -> Mapping[Layer, Mapping[str, int]]:
    """Layer -> partition -> where in the records its newest materialization is; what is higher was made later."""
    return {
        layer: instance.get_latest_storage_id_by_partition(
            dg.AssetKey(dataset.key(layer)), dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        for layer in (Layer.RAW, *TRIPS_IN.values())
    }


def months_under_way(instance: dg.DagsterInstance, dataset: Dataset) -> set[Month]:
    """The months that a run is queued for, or works on."""
    return {
        Month.parse(run.tags[PARTITION_TAG])
        for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
        if PARTITION_TAG in run.tags and is_of(run, dataset)
    }


def failed_months(instance: dg.DagsterInstance, dataset: Dataset, days: int = RECENT_DAYS) -> set[Month]:
    """The months whose newest run of the last days failed."""
    newest: dict[str, dg.DagsterRunStatus] = {}
    for run in recent_runs(instance, days):
        if is_of(run, dataset):
            newest.setdefault(run.tags[PARTITION_TAG], run.status)
    return {Month.parse(key) for key, status in newest.items() if status == dg.DagsterRunStatus.FAILURE}


def recent_runs(instance: dg.DagsterInstance, days: int = RECENT_DAYS) -> Sequence[dg.DagsterRun]:
    """The runs of the last days that are for a month, newest first."""
    since = calendar.now() - timedelta(days=days)
    return [run for run in instance.get_runs(dg.RunsFilter(created_after=since)) if PARTITION_TAG in run.tags]


def runs_of_month(instance: dg.DagsterInstance, dataset: Dataset, month: Month) -> Sequence[dg.RunRecord]:
    """The newest runs of the month, newest first."""
    wanted = dg.RunsFilter(tags={PARTITION_TAG: str(month)})
    records = instance.get_run_records(wanted, limit=_RUNS_OF_A_MONTH)
    return [record for record in records if is_of(record.dagster_run, dataset)]


def newest_run(instance: dg.DagsterInstance) -> int:
    """The storage id of the newest run of all, which every later run's is higher than; 0 where there is none."""
    return next((record.storage_id for record in instance.get_run_records(limit=1)), 0)


def is_of(run: dg.DagsterRun, dataset: Dataset) -> bool:
    """Whether the run makes assets of the dataset, by its job or by its selection."""
    if run.asset_selection:
        return any(key.path[0] == dataset.name and key.path[-1] not in _DAILY for key in run.asset_selection)
    return run.job_name == trips_job_name(dataset)


def subject_of(run: dg.DagsterRun, where: Iterable[str] = ()) -> str:
    """What the run is about, as a person says it: green 2024-01, however the run was started.

    Args:
        run: by its assets, and by its job's name where it has no selection of them.
        where: assets that are known to be part of it, as `green/postgres_trips`, for a run that shows neither.
    """
    selected = [*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())]
    names = {part for key in selected for part in key.path} or {run.job_name}
    ends = [run.tags[tag] for tag in _RANGE_TAGS if tag in run.tags]
    months = run.tags.get(PARTITION_TAG, "..".join(ends))
    about = _about(names) or _about({part for key in where for part in key.split("/")}) or [run.job_name]
    return " ".join([*about, *([months] if months else [])])


def _about(names: set[str]) -> list[str]:
    datasets = sorted({name.partition("_")[0] for name in names} & {dataset.name for dataset in DATASETS})
    return datasets or (["zones"] if any("zone" in name for name in names) else [])


def raw_months(instance: dg.DagsterInstance, dataset: Dataset) -> list[Month]:
    """The months whose file was loaded, oldest first."""
    return sorted(map(Month.parse, instance.get_materialized_partitions(dg.AssetKey(dataset.key(Layer.RAW)))))


def loaded_file(instance: dg.DagsterInstance, dataset: Dataset, month: Month) -> LoadedFile | None:
    """The month's file as it was loaded last; None where nobody knows."""
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
