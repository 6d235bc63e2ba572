"""Asset checks by month: decorator and spec with the monthly partitions of the checked asset.

Without partitions, Dagster shows the newest result of a check whichever month it is of, so that one good month hides
the failure of another, and a check that is executed from an asset's page has no month.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.partitions import months_of


def monthly_check(
    dataset: Dataset,
    layer: Layer,
    name: str,
    *,
    description: str,
    blocking: bool = False,
    op_tags: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """Decorator: `dg.asset_check` for one month of the layer."""

    def decorate(function: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        with _preview_accepted():
            return dg.asset_check(
                name=name,
                asset=dataset.key(layer),
                description=description,
                blocking=blocking,
                op_tags=op_tags,
                partitions_def=months_of(dataset),
            )(function)

    return decorate


def monthly_check_spec(
    dataset: Dataset, layer: Layer, name: str, *, description: str, blocking: bool = False
) -> dg.AssetCheckSpec:
    """The spec of a check for one month of the layer, for steps that evaluate several."""
    with _preview_accepted():
        return dg.AssetCheckSpec(
            name,
            asset=dataset.key(layer),
            description=description,
            blocking=blocking,
            partitions_def=months_of(dataset),
        )


@contextmanager
def _preview_accepted() -> Iterator[None]:
    """Silence the warning that checks with partitions are in preview.

    Dagster's version is pinned to 1.13, and the alternative is results that name no month. The tests of `checks` show
    what a later release breaks.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", dg.PreviewWarning)
        yield
