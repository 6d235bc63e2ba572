"""TLC's file of a loaded month, for commands that read it again from the lake; errors name the command to run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from taxi_assets.catalog import Dataset, Layer
from taxi_assets.errors import BadFile, SchemaBroken, SchemaMismatch, SliceDamaged, SliceMissing
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.base import TableSlice

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake


@contextmanager
def repair_command_added(dataset: Dataset, month: Month) -> Iterator[None]:
    """Add `taxi run` to the text of errors that loading the month again repairs."""
    try:
        yield
    except (SliceDamaged, BadFile, SchemaBroken, SchemaMismatch) as error:
        raise type(error)(f"{error}: taxi run {dataset.name} {month}") from error


def raw_file(lake: "Lake", dataset: Dataset, month: Month) -> RawFile:
    """The month's file in the lake.

    Raises:
        InvalidRequest: the month lies before the dataset's first.
        SliceMissing: the lake does not have it; the text contains the command to run.
        SliceDamaged: it cannot be read.
        StoreUnavailable: the lake does not answer.
    """
    dataset.era(month)
    try:
        return lake.get_file(dataset.path(Layer.RAW), dataset.file_name(month))
    except SliceMissing as error:
        command = f"taxi run {dataset.name} {month}"
        if lake.count(TableSlice(dataset.path(Layer.CLEAN), month)):
            raise SliceMissing(
                f"the lake has rows of {dataset.name} {month}, but not TLC's file that they were made from: "
                f"{command} fetches it again"
            ) from error
        raise SliceMissing(f"{dataset.name} {month} is not loaded: {command}") from error
