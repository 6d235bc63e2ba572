"""Events of the external assets `tlc/{dataset}_tripdata`: which version of each month's file the source has.

The publication sensors report what they see, and a run reports the file that it fetched. Each version is reported once:
the event log itself is the record of it. A sensor that is started goes through the history first, some months a tick.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import dagster as dg

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.source.base import RemoteFile

HISTORY_MONTHS_A_TICK = 48
_THREADS = 8  # requests at once
DATA_VERSION = "dagster/data_version"  # the tag by which Dagster compares observations
_UNKNOWN = "unknown"


class ObservedFiles:
    """The events of one tick.

    Args:
        instance: has the versions that were reported before.
        dataset: of the files.

    Attributes:
        events: in the order in which they must be recorded.
    """

    def __init__(self, instance: dg.DagsterInstance, dataset: Dataset) -> None:
        self._instance = instance
        self._dataset = dataset
        self.events: list[dg.AssetObservation | dg.AssetMaterialization] = []

    @cached_property
    def _versions(self) -> dict[str, str]:
        """Partition -> the version that was reported last; one query for all months."""
        found = self._instance.event_log_storage.get_latest_tags_by_partition(
            dg.AssetKey(self._dataset.published_key), dg.DagsterEventType.ASSET_OBSERVATION, [DATA_VERSION]
        )
        return {partition: tags[DATA_VERSION] for partition, tags in found.items()}

    def add(self, month: Month, published: RemoteFile) -> None:
        """Report the version of the month's file, unless it is the newest one that was reported."""
        events = publication_events(self._dataset, month, published)
        version = events[0].tags[DATA_VERSION]
        if self._versions.get(str(month)) != version:
            self._versions[str(month)] = version
            self.events.extend(events)

    def history(self, after: str, until: Month, head: Callable[[Month], RemoteFile | None]) -> Iterator[str]:
        """Look at months that no event names yet, and yield each month that is done, the first one first.

        Args:
            after: the last month that an earlier tick has done, or an empty text.
            until: the first month that is left to the sensor.
            head: the file's metadata; None for a month that the source does not have.

        Raises:
            SourceUnavailable: the source does not answer; the months that were yielded are done.
        """
        first = Month.parse(after).plus(1) if after else self._dataset.first_month
        months = list(first.until(until.plus(-1)))
        if not months:
            return
        unknown = [month for month in months if str(month) not in self._versions][:HISTORY_MONTHS_A_TICK]
        with ThreadPoolExecutor(_THREADS) as threads:
            for month, published in zip(unknown, threads.map(head, unknown), strict=True):
                if published is not None:
                    self.add(month, published)
                yield str(month)
        if len(unknown) < HISTORY_MONTHS_A_TICK:
            yield str(months[-1])


def publication_events(
    dataset: Dataset, month: Month, published: RemoteFile
) -> tuple[dg.AssetObservation, dg.AssetMaterialization]:
    """The two events of one version of a file, in the order in which they must be recorded.

    Dagster 1.13 shows a partition of an external asset as present by its materializations alone, and compares data
    versions of external assets by their observations alone. The materialization comes last, since runs record its
    storage id as the version that they read.
    """
    key, partition = dg.AssetKey(dataset.published_key), str(month)
    tags = {DATA_VERSION: published.version or _UNKNOWN}
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "taxi/source_url": dg.MetadataValue.url(published.url),
        "taxi/source_etag": dg.MetadataValue.text(published.etag or ""),
        "taxi/source_last_modified": dg.MetadataValue.text(published.last_modified or ""),
    }
    if published.size is not None:
        metadata["taxi/bytes"] = dg.MetadataValue.int(published.size)
    return (
        dg.AssetObservation(key, partition=partition, metadata=metadata, tags=tags),
        dg.AssetMaterialization(key, partition=partition, metadata=metadata, tags=tags),
    )


def report_fetched(context: dg.AssetExecutionContext, dataset: Dataset, month: Month, raw: RawFile) -> None:
    """Record the version that the run fetched, unless it is the recorded one, before the run's own materialization.

    Dagster compares what is recorded after a run with what was recorded before it: a month that a run loads before the
    sensor sees it would be stale as soon as the sensor does.
    """
    published = RemoteFile(raw.url, raw.size, raw.etag, raw.last_modified)
    key = dg.AssetKey(dataset.published_key)
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[str(month)])
    newest = context.instance.fetch_observations(wanted, limit=1).records
    recorded = newest[0].asset_observation if newest else None
    if recorded is None or recorded.tags.get(DATA_VERSION) != published.version:
        for event in publication_events(dataset, month, published):
            context.instance.report_runless_asset_event(event)
    # The step noted the newest event before it began: let it look again for the provenance of its materialization.
    context.op_execution_context.get_step_execution_context().wipe_input_asset_version_info(key)
