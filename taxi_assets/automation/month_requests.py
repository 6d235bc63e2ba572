"""Months that a run was requested for, until they are loaded: what a publication sensor remembers between ticks.

A month is done when every store has it, not when it was requested. Whether a request is repeated depends on how its
newest run ended and on whether the file at the source is still the same one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from email.utils import parsedate_to_datetime
from enum import Enum

import dagster as dg

from taxi_assets.automation.event_log import UNDER_WAY, WILL_RETRY, runs_of_month
from taxi_assets.automation.run_errors import failed_steps
from taxi_assets.catalog import Dataset
from taxi_assets.errors import TaxiError
from taxi_assets.month import Month
from taxi_assets.source.base import RemoteFile

TRIES = 6  # of one file, after transient failures: twenty hours
FIRST_WAIT = 600  # seconds from one try to the next; each wait is three times the one before
SECONDS_TO_START = 3600  # after which a request without a run is taken for lost
RUN_KEY = "dagster/run_key"
NO_FILE = ""  # the version of a month that the source does not have


@dataclass(frozen=True)
class Requested:
    """A request for a month that is not loaded yet.

    Attributes:
        version: of the file that it was made for, as `version_of`; None where nobody knows.
        at: when it was made, in seconds since 1970.
        after: the storage id of the newest run at that moment: runs of the request have a higher one.
        tries: how many runs were requested for that version.
    """

    version: str | None
    at: int = 0
    after: int = 0
    tries: int = 1


@dataclass
class Cursor:
    """Where a publication sensor is.

    Attributes:
        next: the first month that was not published when it was last asked for.
        checked: the loaded month whose file was last compared with the source.
        seen: month -> the version that needs no second look: it has the bytes that are loaded, or is no whole file.
        requested: month -> the request that has not ended in a loaded month yet.
        looked: the requested month that was last looked at.
        adopted: whether months that failed before the sensor began are among the requested ones.
    """

    next: str
    checked: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    requested: dict[str, Requested] = field(default_factory=dict)
    looked: str = ""
    adopted: bool = False

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor as `text` has it; one of an older release lacks the requests."""
        facts = json.loads(text)
        requested = {month: Requested(**one) for month, one in facts.pop("requested", {}).items()}
        return cls(**facts, requested=requested)

    @property
    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return json.dumps(asdict(self))


class Outcome(Enum):
    """How the newest run of a request ended."""

    UNDER_WAY = "under way"
    NO_RUN = "no run"
    LOADED = "loaded"
    TRANSIENT = "failed for want of a source, a store or a process"
    PERMANENT = "failed in a way that the same file will fail again"


def version_of(published: RemoteFile) -> str:
    """What tells two versions of a file apart without its bytes: its ETag, or its size, or its date."""
    facts = (published.etag, published.size, published.last_modified)
    return str(next((value for value in facts if value), ""))


def run_key(dataset: Dataset, month: Month, request: Requested) -> str:
    """What keeps Dagster from making two runs of one request."""
    tries = f" try {request.tries}" if request.tries > 1 else ""
    return f"{dataset.name} {month} {request.version}{tries}"


def outcome_of(
    instance: dg.DagsterInstance, dataset: Dataset, month: Month, request: Requested, loaded: Iterable[Month]
) -> Outcome:
    """How the newest run since the request ended, whoever asked for it.

    Args:
        instance: Dagster's records.
        dataset: whose month it is.
        month: which one.
        request: what was asked for.
        loaded: the months that every store has.
    """
    newest = next((one for one in runs_of_month(instance, dataset, month) if one.storage_id > request.after), None)
    if newest is None:
        return Outcome.NO_RUN
    run = newest.dagster_run
    if run.status == dg.DagsterRunStatus.NOT_STARTED:
        return Outcome.NO_RUN  # recorded and never queued; the same run key has it launched
    if run.status in UNDER_WAY or run.tags.get(WILL_RETRY) == "true":
        return Outcome.UNDER_WAY
    if run.status == dg.DagsterRunStatus.SUCCESS:
        return Outcome.LOADED if month in set(loaded) else Outcome.PERMANENT
    if run.status == dg.DagsterRunStatus.FAILURE and _is_transient(instance, run):
        return Outcome.TRANSIENT
    return Outcome.PERMANENT


def request_that_failed(instance: dg.DagsterInstance, dataset: Dataset, month: Month) -> Requested:
    """The request whose run failed, for a sensor that does not remember it.

    Runs that a sensor requested carry the version in their run key; of others nobody knows which file they met.
    """
    form = re.compile(rf"{dataset.name} {month} (?P<version>.*?)(?: try (?P<tries>\d+))?")
    newest, *_ = runs_of_month(instance, dataset, month)
    at, after = int(newest.create_timestamp.timestamp()), newest.storage_id - 1
    match = form.fullmatch(newest.dagster_run.tags.get(RUN_KEY, ""))
    return Requested(match["version"], at, after, int(match["tries"] or 1)) if match else Requested(None, at, after)


def next_request(request: Requested, published: RemoteFile, outcome: Outcome, now: float) -> Requested | None:
    """The request to make next; None where it is not time for one, or where one would fail in the same way.

    Args:
        request: the one before it.
        published: what the source has now.
        outcome: of the request before it.
        now: in seconds since 1970.
    """
    if _has_changed(request, published):
        return Requested(version_of(published))
    if outcome is Outcome.NO_RUN:
        return request if now >= request.at + SECONDS_TO_START else None
    waited = now >= request.at + FIRST_WAIT * 3 ** (request.tries - 1)
    if outcome is Outcome.TRANSIENT and request.version is not None and request.tries < TRIES and waited:
        return replace(request, tries=request.tries + 1)
    return None


def _has_changed(request: Requested, published: RemoteFile) -> bool:
    if request.version is not None:
        return request.version != version_of(published)
    on = published.last_modified
    return on is not None and parsedate_to_datetime(on).timestamp() > request.at


def _is_transient(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether every step that failed did so for want of a source or a store, or the run's process died."""
    entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    steps = failed_steps(entry.dagster_event for entry in entries if entry.dagster_event)
    names = {step.what.partition(":")[0] for step in steps}
    return names <= {name for name, error in _errors(TaxiError).items() if error.retryable}


def _errors(root: type[TaxiError]) -> Mapping[str, type[TaxiError]]:
    found = {root.__name__: root}
    for error in root.__subclasses__():
        found.update(_errors(error))
    return found
