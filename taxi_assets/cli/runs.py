"""Executes jobs in this process and records the runs in the Dagster instance, where the UI shows them."""

import os
import pwd
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from taxi_assets.automation.run_errors import failed_checks, failed_steps, root_cause_of
from taxi_assets.automation.run_worker import process_tags
from taxi_assets.catalog import INDEX, LAKE_GROUP, ZONES, ZONES_FILE, Dataset, Layer, ZoneLayer, zones_path
from taxi_assets.cli.instance import instance_of as instance_of  # noqa: PLC0414 - re-exported
from taxi_assets.errors import NotPublished, SliceDamaged, SliceMissing, SourceUnavailable
from taxi_assets.io_managers.load_log import REQUESTED_BY
from taxi_assets.jobs import ZONES_JOB, checks_job_name, cleaning_config, trips_job_name
from taxi_assets.month import Month
from taxi_assets.partitions import months_of
from taxi_assets.settings import Settings
from taxi_assets.stores.factory import opened_stores

ROW_COUNT = "dagster/partition_row_count"
REJECTED = "taxi/rejected_by_rule"
URI = "dagster/uri"
_INDEX = f"{LAKE_GROUP}/{INDEX}"

# The terminal shows a failure and the next command, so the daemon must not retry the run as well.
_MAX_RETRIES = "dagster/max_retries"
_BLOCKED = "DagsterAssetCheckFailedError"  # whose class has no public name


@dataclass(frozen=True)
class Request:
    """A request to execute one run.

    Attributes:
        name: for display, as `green 2024-01`.
        job: the job's name.
        group: the asset group of the results, the first part of their keys.
        month: the partition, for a partitioned job.
        config: run config, for example the cleaning rules.
        is_required: False for a run that a command adds by itself, whose failure is a warning.
    """

    name: str
    job: str
    group: str
    month: Month | None = None
    config: Mapping[str, object] | None = None
    is_required: bool = True


@dataclass(frozen=True)
class Outcome:
    """The result of a request.

    Attributes:
        request: the request.
        loaded: whether every asset was materialized and every blocking check passed.
        rows: asset key, as `green/postgres_trips` -> rows in its slice.
        rejected: rule -> rows it sent to quarantine.
        page: URI of the month's page; None if there is none.
        index: URI of the index of all months' pages; None if the run did not update it.
        failures: failed steps and checks, a line each.
        warnings: failed checks that did not stop the run, a line each.
        seconds: duration of the run.
    """

    request: Request
    loaded: bool
    rows: Mapping[str, int]
    rejected: Mapping[str, int]
    page: str | None
    index: str | None
    failures: Sequence[str]
    warnings: Sequence[str]
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether the run loaded its assets, or was not required to."""
        return self.loaded or not self.request.is_required


def month_request(dataset: Dataset, month: Month, rules: Sequence[str], *, accept_shrunk: bool = False) -> Request:
    """A run of one month with these cleaning rules; `accept_shrunk` loads it even if it lost most of its rows."""
    config = cleaning_config(dataset, rules, accept_shrunk=accept_shrunk)
    return Request(f"{dataset.name} {month}", trips_job_name(dataset), dataset.name, month, config)


def checks_request(dataset: Dataset, month: Month) -> Request:
    """A run of the checks of one month."""
    return Request(f"{dataset.name} {month}", checks_job_name(dataset), dataset.name, month)


def zones_request() -> Request:
    """A run of the zones."""
    return Request("zones", ZONES_JOB, ZONES)


def zones_requests(settings: Settings) -> list[Request]:
    """A run of the zones if the home has none, or has those of another source; otherwise no run.

    A mirror need not have the zones. Such a source is asked for them only if the home has none.
    """
    from taxi_assets.catalog import ZONES_PATH
    from taxi_assets.source import open_source

    source = open_source(settings.source, retry=False)
    with opened_stores(settings, ["lake"]) as stores:
        try:
            origin = stores["lake"]().get_file(zones_path(ZoneLayer.RAW), ZONES_FILE).url
        except (SliceMissing, SliceDamaged):
            origin = None
    if origin == f"{source.url}/{ZONES_PATH}":
        return []
    try:
        is_needed = origin is None or source.head(ZONES_PATH) is not None
    except SourceUnavailable:
        is_needed = False
    return [replace(zones_request(), is_required=False)] if is_needed else []


def require_month(settings: Settings, dataset: Dataset, month: Month) -> None:
    """Refuse a month that no run can load.

    Raises:
        InvalidRequest: the month lies before the dataset's first.
        NotPublished: the month is not over yet; the text names the last one that the source has.
        SourceUnavailable: the month is not over yet, and the source does not answer.
    """
    from taxi_assets.source import last_published, open_source

    dataset.era(month)
    if months_of(dataset).has_partition_key(str(month)):
        return
    source = open_source(settings.source)
    last = last_published(source, dataset, before=month)
    raise NotPublished(f"{dataset.name} {month} is not over yet; the last month that {source.url} has is {last}")


def run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    request: Request,
    logger: str,
    run_id: str | None = None,
) -> Outcome:
    """Execute the run; failures inside it are part of the outcome.

    Args:
        definitions: contain the request's job.
        instance: records the run.
        request: the run to execute.
        logger: name of the definitions' logger that receives the run's events.
        run_id: of the run; Dagster generates one by default.
    """
    from taxi_assets.cli.overlapping_steps import overlapping_steps  # slow import, for runs only

    with overlapping_steps():
        result = definitions.resolve_job_def(request.job).execute_in_process(
            instance=instance,
            partition_key=None if request.month is None else str(request.month),
            run_config={**(request.config or {}), "loggers": {logger: {"config": {}}}},
            tags={
                REQUESTED_BY: f"taxi run by {user_name()}",
                _MAX_RETRIES: "0",
                **process_tags(),
            },
            raise_on_error=False,
            run_id=run_id,
        )
    materialized = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    metadata = {one.asset_key.to_user_string(): one.metadata for one in materialized}
    rejected: Any = next((facts[REJECTED].value for facts in metadata.values() if REJECTED in facts), {})
    stats = instance.get_run_stats(result.run_id)
    warnings = [str(one) for one in failed_checks(result.all_events, dg.AssetCheckSeverity.WARN)]
    failures = [] if result.success else _failures(instance, result)
    return Outcome(
        request,
        loaded=result.success,
        rows={key: int(str(facts[ROW_COUNT].value)) for key, facts in metadata.items() if ROW_COUNT in facts},
        rejected=rejected,
        page=next((str(facts[URI].value) for key, facts in metadata.items() if key.endswith(f"/{Layer.REPORT}")), None),
        index=str(metadata[_INDEX][URI].value) if _INDEX in metadata else None,
        failures=failures if request.is_required else [],
        warnings=warnings if request.is_required else [*warnings, *failures],
        seconds=(stats.end_time or 0) - (stats.start_time or 0),
    )


def cancel(instance: dg.DagsterInstance, run_id: str, signal_name: str) -> None:
    """Record the run as canceled by the signal, unless it has finished or does not exist yet."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceled(run, f"ended by {signal_name}: each store holds the old version or the new one")


def user_name() -> str:
    """The name of the operating system's user, or the user id if it has no name, as in a container."""
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return f"user {os.getuid()}"


def _failures(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> list[str]:
    checks = failed_checks(result.all_events, dg.AssetCheckSeverity.ERROR)
    issues = [str(one) for one in (*failed_steps(result.all_events), *checks)]
    failures = issues or [f"the run: {_reason_of_failure(result)}"]
    tracebacks = [error.to_string() for error in _unexpected(result.all_events)]
    if not tracebacks:
        return failures
    file = Path(instance.root_directory) / "tracebacks" / f"{result.run_id}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(tracebacks), encoding="utf-8")
    return [*failures, f"the program, not in the data: the traceback is in {file}, and on the run's page in the UI"]


def _unexpected(events: Sequence[dg.DagsterEvent]) -> list[SerializableErrorInfo]:
    """Errors other than typed failures, failed checks and interrupts: programming errors, and Dagster's own."""
    steps = [one.step_failure_data for one in events if one.event_type == dg.DagsterEventType.STEP_FAILURE]
    if not steps:
        return [error for error in (end.job_failure_data.error for end in _ends(events)) if error is not None]
    return [
        one.error
        for one in steps
        if one.error and not one.user_failure_data and not _is_expected(one.error, one.error_source)
    ]


def _is_expected(error: SerializableErrorInfo, source: Any) -> bool:
    """Whether it is a failed blocking check or an interrupt."""
    return _BLOCKED in (error.cls_name or "") or getattr(source, "name", None) == "INTERRUPT"


def _ends(events: Sequence[dg.DagsterEvent]) -> list[dg.DagsterEvent]:
    return [one for one in events if one.event_type == dg.DagsterEventType.RUN_FAILURE]


def _reason_of_failure(result: dg.ExecuteInProcessResult) -> str:
    """The reason of a failed run without a failed step."""
    ends = _ends(result.all_events)
    for end in ends:
        error = end.job_failure_data.error
        if error is not None:
            return root_cause_of(error).message.strip()
    return (ends[-1].message if ends else None) or "failed; its page in the UI says more (make dev)"
