"""Publication sensors, one for each dataset: they poll the source by HEAD for new months and for replaced files.

History before a sensor's start is left to backfills and to `catch_up_schedule`. What the source has is reported on
external assets by `observed_files`. The cursor and the retry policy are in `month_requests`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import dagster as dg

from taxi_assets import month as calendar
from taxi_assets.automation.event_log import (
    RECENT_DAYS,
    failed_months,
    loaded_file,
    loaded_months,
    newest_run,
    raw_months,
)
from taxi_assets.automation.month_requests import (
    NO_FILE,
    Cursor,
    MonthRequest,
    Outcome,
    failed_request,
    next_request,
    outcome_of,
    run_key,
)
from taxi_assets.automation.observed_files import ObservedFiles
from taxi_assets.catalog import Dataset
from taxi_assets.errors import BadFile, NotPublished, SourceUnavailable
from taxi_assets.io_managers.load_log import REQUESTED_BY
from taxi_assets.jobs import PRIORITY, sensor_name, trips_job_name
from taxi_assets.month import Month
from taxi_assets.resources import ScratchResource, SourceResource
from taxi_assets.source.base import RemoteFile, Source

SECONDS_BETWEEN_TICKS = 600  # TLC publishes once a month
NEW_MONTHS_A_TICK = 6
OLD_MONTHS_A_TICK = 6
REQUESTED_MONTHS_A_TICK = 6
_EVER = 36_500  # days
_BEFORE_BACKFILLS = "1"  # so that a new month does not wait for the months of a backfill
_FETCHED_A_TICK = 1  # files with changed headers, to compare their hash; a tick may take a minute
_LARGEST_FETCHED = 200 << 20  # bytes; larger files count as replaced if their headers changed


def publication_sensor(dataset: Dataset) -> dg.SensorDefinition:
    """Sensor: requests a run for each month that TLC publishes or replaces after the sensor was started."""

    @dg.sensor(
        name=sensor_name(dataset),
        job_name=trips_job_name(dataset),
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Polls the source for new and replaced months of {dataset.name}, and requests a run for each. It starts "
            "with the first month that is not published yet; load earlier months by a backfill or by catch_up_schedule."
        ),
    )
    def trips_published(
        context: dg.SensorEvaluationContext, source: SourceResource, scratch: ScratchResource
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            return _Tick(context, dataset, source.open(retry=False), scratch).result()
        except SourceUnavailable as error:
            return dg.SkipReason(f"the source does not answer; the next tick asks it again: {error}")

    return trips_published


class _Tick:
    def __init__(
        self, context: dg.SensorEvaluationContext, dataset: Dataset, source: Source, scratch: ScratchResource
    ) -> None:
        self._instance = context.instance
        self._cursor = None if context.cursor is None else Cursor.parse(context.cursor)
        self._dataset = dataset
        self._source = source
        self._scratch = scratch
        self._observed = ObservedFiles(context.instance, dataset)
        self._fetched = 0
        self._notes: list[str] = []

    def result(self) -> dg.SensorResult:
        if self._cursor is None:
            self._cursor, requests = self._first_cursor(), []
            self._observe_history(self._cursor)
        else:
            requests = self._requests(self._cursor)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(self._notes),
            cursor=self._cursor.text,
            asset_events=self._observed.events,
        )

    def _first_cursor(self) -> Cursor:
        from taxi_assets.source import last_published

        last = last_published(self._source, self._dataset, before=Month.parse("9999-12"))
        first = self._dataset.first_month
        following = first if last is None else last.plus(1)
        self._notes.append(
            f"{self._dataset.name} is watched from {following} on. To load earlier months, launch a backfill in the "
            f"UI, or: taxi run {self._dataset.name} {first}..{last or first}"
        )
        return Cursor(next=str(following))

    def _requests(self, cursor: Cursor) -> list[dg.RunRequest]:
        """The run requests of this tick; an error on one file does not block the others."""
        self._adopt_failed_months(cursor)
        requests: list[dg.RunRequest] = []
        answers = True
        for requested in (self._new_months(cursor), self._requested_months(cursor), self._replaced_months(cursor)):
            try:
                requests.extend(requested)
            except SourceUnavailable as error:
                answers = False
                self._notes.append(f"the source does not answer; the next tick asks it again: {error}")
        if answers:
            self._observe_history(cursor)
        return requests

    def _observe_history(self, cursor: Cursor) -> None:
        """Report the published months before the sensor's start, over several ticks; no run is requested for them."""
        try:
            for month in self._observed.history(cursor.observed, Month.parse(cursor.next), self._head):
                cursor.observed = month
        except SourceUnavailable as error:
            self._notes.append(f"the source does not answer; the next tick asks it again: {error}")

    def _adopt_failed_months(self, cursor: Cursor) -> None:
        """Add months with failed runs that the cursor lacks; the first tick adds failures of any age."""
        failed = failed_months(self._instance, self._dataset, days=RECENT_DAYS if cursor.adopted else _EVER)
        cursor.adopted = True
        for month in sorted(failed):
            if str(month) < cursor.next and str(month) not in cursor.requested:
                cursor.requested[str(month)] = failed_request(self._instance, self._dataset, month)

    def _new_months(self, cursor: Cursor) -> Iterator[dg.RunRequest]:
        for _ in range(NEW_MONTHS_A_TICK):
            month = Month.parse(cursor.next)
            if month >= Month.current():
                self._notes.append(f"{month} is not over yet")
                return
            published = self._head(month)
            if published is None:
                self._notes.append(f"{self._source.url} has not published {self._dataset.name} {month} yet")
                return
            cursor.next = str(month.plus(1))
            yield self._request(cursor, month, MonthRequest(published.version), published)

    def _requested_months(self, cursor: Cursor) -> Iterator[dg.RunRequest]:
        """Retries: run requests for months whose request has not ended in a loaded month."""
        if not cursor.requested:
            return
        loaded = loaded_months(self._instance, self._dataset)
        for key in rotated_after(sorted(cursor.requested), cursor.looked)[:REQUESTED_MONTHS_A_TICK]:
            cursor.looked = key
            month, request = Month.parse(key), cursor.requested[key]
            outcome = outcome_of(self._instance, self._dataset, month, request, loaded)
            if outcome is Outcome.LOADED:
                del cursor.requested[key]
            elif outcome is not Outcome.IN_PROGRESS:
                yield from self._requested_again(cursor, month, request, outcome)

    def _requested_again(
        self, cursor: Cursor, month: Month, request: MonthRequest, outcome: Outcome
    ) -> Iterator[dg.RunRequest]:
        published = self._head(month)
        if published is None:
            self._notes.append(f"{month} is not loaded, and {self._source.url} does not have it yet")
            if request.version is None:
                cursor.requested[str(month)] = replace(request, version=NO_FILE)
            return
        following = next_request(request, published, outcome, calendar.now().timestamp())
        if following is not None:
            yield self._request(cursor, month, following, published)
            return
        cursor.requested[str(month)] = replace(request, version=request.version or published.version)
        if outcome is Outcome.PERMANENT:
            self._notes.append(
                f"{month} failed; it is requested again when the source has another file. To retry earlier: "
                f"taxi run {self._dataset.name} {month}"
            )

    def _replaced_months(self, cursor: Cursor) -> Iterator[dg.RunRequest]:
        months = [str(month) for month in raw_months(self._instance, self._dataset)]
        for key in rotated_after(months, cursor.checked)[:OLD_MONTHS_A_TICK]:
            cursor.checked = key
            if key in cursor.requested or key >= cursor.next:
                continue
            published = self._head(Month.parse(key))
            if published is not None and self._is_replaced(cursor, Month.parse(key), published):
                yield self._request(cursor, Month.parse(key), MonthRequest(published.version), published)

    def _is_replaced(self, cursor: Cursor, month: Month, published: RemoteFile) -> bool:
        """Whether the source file differs from the loaded one, by its headers first and by its SHA-256 last."""
        loaded = loaded_file(self._instance, self._dataset, month)
        if loaded is None:
            return False
        if (published.etag, published.size) == (loaded.etag, loaded.size):
            cursor.seen.pop(str(month), None)
            self._observed.add(month, published)
            return False
        if cursor.seen.get(str(month)) == published.version:
            return False
        if published.size is not None and published.size > _LARGEST_FETCHED:
            return True
        return self._has_other_bytes(cursor, month, published, loaded.sha256)

    def _has_other_bytes(self, cursor: Cursor, month: Month, published: RemoteFile, sha256: str) -> bool:
        if self._fetched == _FETCHED_A_TICK:
            self._notes.append(f"{month} has changed; a later tick compares its hash")
            return False
        self._fetched += 1
        try:
            if self._digest(month) != sha256:
                return True
        except (BadFile, NotPublished) as error:
            self._notes.append(f"{month} has changed, and the new file cannot be loaded: {error}")
        else:
            self._notes.append(f"{month} has new headers and the same bytes")
        cursor.seen[str(month)] = published.version
        return False

    def _request(self, cursor: Cursor, month: Month, request: MonthRequest, published: RemoteFile) -> dg.RunRequest:
        self._observed.add(month, published)
        cursor.seen.pop(str(month), None)
        made = replace(request, at=int(calendar.now().timestamp()), after=newest_run(self._instance))
        cursor.requested[str(month)] = made
        return dg.RunRequest(
            run_key=run_key(self._dataset, month, made),
            partition_key=str(month),
            tags={REQUESTED_BY: sensor_name(self._dataset), PRIORITY: _BEFORE_BACKFILLS},
        )

    def _head(self, month: Month) -> RemoteFile | None:
        from taxi_assets.source import month_path

        return self._source.head(month_path(self._dataset, month))

    def _digest(self, month: Month) -> str:
        from taxi_assets.source import fetch_month

        with self._scratch.folder() as folder:
            return fetch_month(self._source, self._dataset, month, folder).sha256


def rotated_after(months: Sequence[str], last: str) -> list[str]:
    """The months in order, starting with the first one after `last` and wrapping around."""
    return [*(month for month in months if month > last), *(month for month in months if month <= last)]
