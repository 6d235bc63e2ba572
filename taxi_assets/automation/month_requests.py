"""Cursor and retry policy of the publication sensors: which months a run was requested for and not loaded yet.

A month is done when every store has it, not when its run was requested. Whether a request is retried depends on how
its newest run ended, and on whether the source still has the same file. Ticks are evaluated in `new_files`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from email.utils import parsedate_to_datetime
from enum import Enum

import dagster as dg

from taxi_assets.automation.event_log import IN_PROGRESS, WILL_RETRY, runs_of_month
from taxi_assets.automation.run_errors import failed_steps
from taxi_assets.catalog import Dataset
from taxi_assets.errors import TaxiError
from taxi_assets.month import Month
from taxi_assets.source.base import RemoteFile

TRIES = 6  # of one file version, after transient failures: twenty hours in all
FIRST_WAIT = 600  # seconds between tries; backoff factor 3
SECONDS_TO_START = 3600  # after which a request without a run counts as lost
RUN_KEY = "dagster/run_key"
NO_FILE = ""  # the version of a month that the source does not have


@dataclass(frozen=True)
class MonthRequest:
    """A request for a month that is not loaded yet.

    Attributes:
        version: of the requested file, as `RemoteFile.version`; None if it is unknown.
        at: when it was made, in seconds since 1970.
        after: storage id of the newest run at that moment; runs of the request have a higher one.
        tries: how many runs were requested for that version.
    """

    version: str | None
    at: int = 0
    after: int = 0
    tries: int = 1


@dataclass
class Cursor:
    """State of a publication sensor between ticks; Dagster stores it as JSON.

    Attributes:
        next: the first month that was not published at the last tick.
        checked: the loaded month whose file was last compared with the source.
        seen: month -> file version already compared: it has the loaded bytes, or is not a whole file.
        requested: month -> the request, until the month is loaded.
        looked: the requested month that was last evaluated.
        adopted: whether `requested` includes the months that failed before the sensor was started.
        observed: the last month of the history that was reported on the external asset.
    """

    next: str
    checked: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    requested: dict[str, MonthRequest] = field(default_factory=dict)
    looked: str = ""
    adopted: bool = False
    observed: str = ""

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor that Dagster stored; cursors of older releases lack the later attributes."""
        facts = json.loads(text)
        requested = {month: MonthRequest(**one) for month, one in facts.pop("requested", {}).items()}
        return cls(**facts, requested=requested)

    @property
    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return json.dumps(asdict(self))


class Outcome(Enum):
    """How the newest run of a request ended."""

    IN_PROGRESS = "in progress"
    NO_RUN = "no run"
    LOADED = "loaded"
    TRANSIENT = "failed since the source or a store was unavailable, or the process died"
    PERMANENT = "failed, and the same file will fail again"


def run_key(dataset: Dataset, month: Month, request: MonthRequest) -> str:
    """The run key of the request: Dagster launches one run for each run key."""
    tries = f" try {request.tries}" if request.tries > 1 else ""
    return f"{dataset.name} {month} {request.version}{tries}"


def outcome_of(
    instance: dg.DagsterInstance, dataset: Dataset, month: Month, request: MonthRequest, loaded: Iterable[Month]
) -> Outcome:
    """How the newest run of the month since the request ended, however it was launched.

    Args:
        instance: the Dagster instance.
        dataset: of the month.
        month: the requested month.
        request: the request.
        loaded: the months that every store has.
    """
    newest = next((one for one in runs_of_month(instance, dataset, month) if one.storage_id > request.after), None)
    if newest is None:
        return Outcome.NO_RUN
    run = newest.dagster_run
    if run.status == dg.DagsterRunStatus.NOT_STARTED:
        return Outcome.NO_RUN  # created and never queued; a request with the same run key launches it
    if run.status in IN_PROGRESS or run.tags.get(WILL_RETRY) == "true":
        return Outcome.IN_PROGRESS
    if run.status == dg.DagsterRunStatus.SUCCESS:
        return Outcome.LOADED if month in set(loaded) else Outcome.PERMANENT
    if run.status == dg.DagsterRunStatus.FAILURE and _is_transient(instance, run):
        return Outcome.TRANSIENT
    return Outcome.PERMANENT


def failed_request(instance: dg.DagsterInstance, dataset: Dataset, month: Month) -> MonthRequest:
    """The request of a month whose newest run failed, reconstructed for a cursor that lacks it.

    The run key of a sensor's run contains the file version; for other runs the version is unknown.
    """
    form = re.compile(rf"{dataset.name} {month} (?P<version>.*?)(?: try (?P<tries>\d+))?")
    newest, *_ = runs_of_month(instance, dataset, month)
    at, after = int(newest.create_timestamp.timestamp()), newest.storage_id - 1
    match = form.fullmatch(newest.dagster_run.tags.get(RUN_KEY, ""))
    if match is None:
        return MonthRequest(None, at, after)
    return MonthRequest(match["version"], at, after, int(match["tries"] or 1))


def next_request(request: MonthRequest, published: RemoteFile, outcome: Outcome, now: float) -> MonthRequest | None:
    """The next request; None during the backoff, and if the same file would fail again.

    Args:
        request: the previous one.
        published: the file that the source has now.
        outcome: of the previous request.
        now: in seconds since 1970.
    """
    if _has_changed(request, published):
        return MonthRequest(published.version)
    if outcome is Outcome.NO_RUN:
        return request if now >= request.at + SECONDS_TO_START else None
    waited = now >= request.at + FIRST_WAIT * 3 ** (request.tries - 1)
    if outcome is Outcome.TRANSIENT and request.version is not None and request.tries < TRIES and waited:
        return replace(request, tries=request.tries + 1)
    return None


def _has_changed(request: MonthRequest, published: RemoteFile) -> bool:
    if request.version is not None:
        return request.version != published.version
    on = published.last_modified
    return on is not None and parsedate_to_datetime(on).timestamp() > request.at


def _is_transient(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether each failed step raised a retryable error, or no step failed since the process died."""
    entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    steps = failed_steps(entry.dagster_event for entry in entries if entry.dagster_event)
    names = {step.what.partition(":")[0] for step in steps}
    return names <= {name for name, error in _errors(TaxiError).items() if error.retryable}


def _errors(root: type[TaxiError]) -> Mapping[str, type[TaxiError]]:
    found = {root.__name__: root}
    for error in root.__subclasses__():
        found.update(_errors(error))
    return found
