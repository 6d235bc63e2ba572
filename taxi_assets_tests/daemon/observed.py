"""Months of green in four states, brought about by a server of files and the sensor of the real daemon."""

from pathlib import Path

from taxi_assets.catalog import Layer
from taxi_assets.month import Month
from taxi_assets_tests.source.cdn import Cdn

from .machines import Machine
from .watched import GREEN, ask, publish, runs, start_sensor, ticks, until

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


def states(machine: Machine) -> list[tuple[bool, str]]:
    """Of each month: whether the UI shows it as published, and how it shows the raw file."""
    found = ask(
        machine,
        _STATES,
        published={"path": GREEN.published_key},
        raw={"path": GREEN.key(Layer.RAW)},
        months=list(map(str, MONTHS)),
    )
    published = [event is not None for event in found["published"]["latestMaterializationByPartition"]]
    return list(zip(published, found["raw"]["staleStatusByPartition"], strict=True))


def replaced_file(cdn: Cdn) -> str:
    return f"trip-data/{GREEN.file_name(REPLACED)}"


def bring_about(machine: Machine, cdn: Cdn, folder: Path) -> None:
    """The four states, until `replaced_file` is no longer among the failing ones: its run tries for a minute."""
    publish(cdn, folder, PUBLISHED, '"published"', 3_000)
    start_sensor(machine)
    until(lambda: any(f"watched from {LOADED} on" in (tick["skipReason"] or "") for tick in ticks(machine)))
    for month in (LOADED, REPLACED):
        publish(cdn, folder, month, '"first"', 3_000)
    until(lambda: sorted(runs(machine)) == [(str(LOADED), "SUCCESS"), (str(REPLACED), "SUCCESS")])
    until(lambda: states(machine)[:3] == [(True, "MISSING"), (True, "FRESH"), (True, "FRESH")])
    publish(cdn, folder, REPLACED, '"second"', 2_500)
    until(lambda: states(machine)[2] == (True, "STALE"))
    cdn.failing.add(replaced_file(cdn))
