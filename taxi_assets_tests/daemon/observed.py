"""Months of a dataset in four states, brought about by a server of files and the sensor of the real daemon."""

from pathlib import Path

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.month import Month
from taxi_assets_tests.source.cdn import Cdn

from .machines import Machine
from .watched import GREEN, publish, runs, start_sensor, ticks, until

# The last four months that are over.
PUBLISHED, LOADED, REPLACED, UNPUBLISHED = (Month.current().plus(-ago) for ago in (4, 3, 2, 1))
MONTHS = [PUBLISHED, LOADED, REPLACED, UNPUBLISHED]
_STATES = """
query ($published: AssetKeyInput!, $raw: AssetKeyInput!, $months: [String!]) {
  published: assetNodeOrError(assetKey: $published) {
    ... on AssetNode { latestMaterializationByPartition(partitions: $months) { timestamp } }
  }
  raw: assetNodeOrError(assetKey: $raw) { ... on AssetNode { staleStatusByPartition(partitions: $months) } }
}"""


def states(machine: Machine, dataset: Dataset = GREEN) -> list[tuple[bool, str]]:
    """Of each month: whether the UI shows it as published, and how it shows the raw file."""
    found = machine.ask(
        _STATES,
        published={"path": dataset.published_key},
        raw={"path": dataset.key(Layer.RAW)},
        months=list(map(str, MONTHS)),
    )
    published = [event is not None for event in found["published"]["latestMaterializationByPartition"]]
    return list(zip(published, found["raw"]["staleStatusByPartition"], strict=True))


def replaced_file(dataset: Dataset = GREEN) -> str:
    return f"trip-data/{dataset.file_name(REPLACED)}"


def bring_about(machine: Machine, cdn: Cdn, folder: Path, dataset: Dataset = GREEN) -> None:
    """The four states, until `replaced_file` is no longer among the held ones: its run waits for the bytes."""
    publish(cdn, folder, PUBLISHED, '"published"', 3_000, dataset=dataset)
    start_sensor(machine, dataset)
    first = f"watched from {LOADED} on"
    until(lambda: any(first in (tick["skipReason"] or "") for tick in ticks(machine, dataset)))
    for month in (LOADED, REPLACED):
        publish(cdn, folder, month, '"first"', 3_000, dataset=dataset)
    until(lambda: sorted(runs(machine, dataset)) == [(str(LOADED), "SUCCESS"), (str(REPLACED), "SUCCESS")])
    until(lambda: states(machine, dataset)[:3] == [(True, "MISSING"), (True, "FRESH"), (True, "FRESH")])
    publish(cdn, folder, REPLACED, '"second"', 2_500, dataset=dataset)
    until(lambda: states(machine, dataset)[2] == (True, "STALE"))
    cdn.held.add(replaced_file(dataset))
