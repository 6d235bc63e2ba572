"""A sensor for each dataset that asks TLC's server what is new: months that came out, and files that were replaced."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import dagster as dg

from taxi_assets.automation.records import loaded_file, raw_months
from taxi_assets.catalog import Dataset
from taxi_assets.errors import BadFile, NotPublished, SourceUnavailable
from taxi_assets.io_managers.ledger import REQUESTED_BY
from taxi_assets.jobs import trips_job_name
from taxi_assets.month import Month
from taxi_assets.partitions import months_of
from taxi_assets.resources import ScratchResource, SourceResource
from taxi_assets.source.base import Published, Source

SECONDS_BETWEEN_TICKS = 600  # TLC publishes once a month
NEW_MONTHS_A_TICK = 6
OLD_MONTHS_A_TICK = 6
_FETCHED_A_TICK = 1  # files whose headers changed, to see whether their bytes did; a tick has a minute
_LARGEST_FETCHED = 200 << 20  # bytes


@dataclass
class Cursor:
    """Where the sensor is.

    Attributes:
        next: the first month that was not published when it was last asked for.
        checked: the loaded month whose file was last asked for.
        seen: month -> the ETag (or size) that needs no second look: its run was requested, or its bytes are the same.
    """

    next: str
    checked: str = ""
    seen: dict[str, str] = field(default_factory=dict)


def publication_sensor(dataset: Dataset) -> dg.SensorDefinition:
    """Requests a run for each month that TLC publishes from now on, and for each that it replaces."""

    @dg.sensor(
        name=f"{dataset.table}_published",
        job_name=trips_job_name(dataset),
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Asks the source for new and replaced months of {dataset.name} and loads those. It begins with the first "
            "month that is not out yet: what is already published is for a backfill, or for catch_up_schedule."
        ),
    )
    def trips_published(
        context: dg.SensorEvaluationContext, source: SourceResource, scratch: ScratchResource
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            return _Tick(context, dataset, source.open(patient=False), scratch).result()
        except SourceUnavailable as error:
            return dg.SkipReason(f"the source does not answer and is asked again at the next tick: {error}")

    return trips_published


class _Tick:
    def __init__(
        self, context: dg.SensorEvaluationContext, dataset: Dataset, source: Source, scratch: ScratchResource
    ) -> None:
        self._instance = context.instance
        self._cursor = None if context.cursor is None else Cursor(**json.loads(context.cursor))
        self._dataset = dataset
        self._source = source
        self._scratch = scratch
        self._fetched = 0
        self._notes: list[str] = []

    def result(self) -> dg.SensorResult:
        if self._cursor is None:
            self._cursor = self._first_cursor()
            requests = []
        else:
            requests = [*self._new_months(self._cursor), *self._replaced_months(self._cursor)]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(self._notes),
            cursor=json.dumps(asdict(self._cursor)),
        )

    def _first_cursor(self) -> Cursor:
        from taxi_assets.source import last_published

        last = last_published(self._source, self._dataset, before=Month.parse("9999-12"))
        first = self._dataset.first_month
        following = first if last is None else last.plus(1)
        self._notes.append(
            f"{self._dataset.name} is watched from {following} on. For the months before it, materialize a range of "
            f"partitions in the UI, or: taxi run {self._dataset.name} {first}..{last or first}"
        )
        return Cursor(next=str(following))

    def _new_months(self, cursor: Cursor) -> Iterator[dg.RunRequest]:
        for _ in range(NEW_MONTHS_A_TICK):
            if not months_of(self._dataset).has_partition_key(cursor.next):
                self._notes.append(f"{cursor.next} is not over yet")
                return
            published = self._head(Month.parse(cursor.next))
            if published is None:
                self._notes.append(f"{self._source.url} has not published {self._dataset.name} {cursor.next} yet")
                return
            yield self._request(cursor, Month.parse(cursor.next), published)
            cursor.next = str(Month.parse(cursor.next).plus(1))

    def _replaced_months(self, cursor: Cursor) -> Iterator[dg.RunRequest]:
        months = raw_months(self._instance, self._dataset)
        later = [month for month in months if str(month) > cursor.checked]
        for month in [*later, *months[: len(months) - len(later)]][:OLD_MONTHS_A_TICK]:
            cursor.checked = str(month)
            published = self._head(month)
            if published is not None and self._is_replaced(cursor, month, published):
                yield self._request(cursor, month, published)

    def _is_replaced(self, cursor: Cursor, month: Month, published: Published) -> bool:
        """Whether the file has other bytes than the ones loaded; told by its headers first, and by its bytes last."""
        loaded = loaded_file(self._instance, self._dataset, month)
        if loaded is None:
            return False
        if (published.etag, published.size) == (loaded.etag, loaded.size):
            cursor.seen.pop(str(month), None)
            return False
        if cursor.seen.get(str(month)) == _version(published):
            return False
        if published.size is not None and published.size > _LARGEST_FETCHED:
            return True
        return self._has_other_bytes(cursor, month, published, loaded.sha256)

    def _has_other_bytes(self, cursor: Cursor, month: Month, published: Published, sha256: str) -> bool:
        if self._fetched == _FETCHED_A_TICK:
            self._notes.append(f"{month} has changed and is looked at in a later tick")
            return False
        self._fetched += 1
        try:
            if self._digest(month) != sha256:
                return True
        except (BadFile, NotPublished) as error:
            self._notes.append(f"{month} has changed, and cannot be loaded as it is: {error}")
        else:
            self._notes.append(f"{month} was touched, and has the same bytes")
            cursor.seen[str(month)] = _version(published)
        return False

    def _request(self, cursor: Cursor, month: Month, published: Published) -> dg.RunRequest:
        cursor.seen[str(month)] = _version(published)
        return dg.RunRequest(
            run_key=f"{self._dataset.name} {month} {_version(published)}",
            partition_key=str(month),
            tags={REQUESTED_BY: f"{self._dataset.table}_published"},
        )

    def _head(self, month: Month) -> Published | None:
        from taxi_assets.source import month_path

        return self._source.head(month_path(self._dataset, month))

    def _digest(self, month: Month) -> str:
        from taxi_assets.source import fetch_month

        with self._scratch.folder() as folder:
            return fetch_month(self._source, self._dataset, month, folder).sha256


def _version(published: Published) -> str:
    facts: Mapping[str, object] = {"etag": published.etag, "size": published.size, "on": published.last_modified}
    return str(next((value for value in facts.values() if value), ""))
