"""Runs of Dagster that store something by an IO manager, and loading it again."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from taxi_assets.testing.rows import KEY_COLUMN, SECOND, version_of_day

ASSET = "readings"
DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-03-01")

MakeIOManager = Callable[[], Any]


def materialize(
    instance: dg.DagsterInstance,
    make: MakeIOManager,
    output: Callable[[], Any],
    first: str | None = None,
    last: str | None = None,
) -> str | None:
    """Materialize the asset in one run.

    Args:
        instance: records the run.
        make: makes the IO manager.
        output: makes what the asset returns.
        first: the day; the asset has no partitions without one.
        last: of several days in the run.

    Returns:
        How the run failed; None where it succeeded.
    """
    with _quiet():

        @dg.asset(
            name=ASSET,
            partitions_def=None if first is None else DAYS,
            metadata={} if first is None else {"partition_expr": KEY_COLUMN},
            backfill_policy=None if first is None else dg.BackfillPolicy.single_run(),
        )
        def readings() -> Any:
            return output()

        tags = {"dagster/asset_partition_range_start": first or "", "dagster/asset_partition_range_end": last or ""}
        result = dg.materialize(
            [readings],
            resources={"io_manager": make()},
            instance=instance,
            partition_key=first if last is None else None,
            tags=tags if last is not None else None,
            raise_on_error=False,
        )
        failed = [event for event in result.all_events if event.is_step_failure]
        return _reason(failed[0]) if failed else None


def load(instance: dg.DagsterInstance, make: MakeIOManager, kind: type, day: str) -> Any:
    """What Dagster loads of the day, as a frame of that kind."""
    with _quiet():
        asset = dg.AssetSpec(ASSET, partitions_def=DAYS, metadata={"partition_expr": KEY_COLUMN})
        source = dg.Definitions(assets=[asset], resources={"io_manager": make()})
        return source.load_asset_value(ASSET, python_type=kind, partition_key=day, instance=instance)


@dataclass(frozen=True)
class ReplaceByVersion:
    """Replaces a slice by a version of it, in this process or, pickled, in another.

    Attributes:
        make: makes the IO manager.
        frame: makes a frame of a table.
        rows: of a version.
    """

    make: MakeIOManager
    frame: Callable[[Any], Any]
    rows: int

    def __call__(self, instance: dg.DagsterInstance, version: int, begun: Callable[[], None] = lambda: None) -> None:
        """Replace.

        Args:
            instance: records the run.
            version: number of the version.
            begun: called when there is an output, before the IO manager gets it.

        Raises:
            RuntimeError: the run failed.
        """
        frame = self.frame(version_of_day(SECOND, version, self.rows))

        def output() -> Any:
            begun()
            return frame

        failure = materialize(instance, self.make, output, SECOND)
        if failure is not None:
            raise RuntimeError(failure)


def _reason(event: dg.DagsterEvent) -> str:
    """The error that began it."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "the step failed" if error is None else f"the run failed: {error.message.strip()}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Dagster's own warnings of parameters in beta are not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
