"""Resources for ingest: the source, the record of the home's kind of data, and scratch folders."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from taxi_assets.resources.pools import TLC, ensure_pool
from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.source import Source
    from taxi_assets.source.data_kind import SourceRecord

DOWNLOADS = logging.getLogger("taxi_assets.downloads")


class SourceResource(dg.ConfigurableResource[None]):
    """The source of TLC's files."""

    url: str = Field(description="https://…, file:///…, a folder laid out like TLC's CDN, or `sample`.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Create the pool of the downloads before the run's first step claims a slot of it; sensors claim none."""
        if context.run is not None and context.instance is not None:
            ensure_pool(context.instance, TLC)

    def open(self, *, retry: bool = True) -> "Source":
        """The source; `retry=False` is for sensor ticks and quick look-ups: one attempt, 10 seconds."""
        from taxi_assets.source import open_source

        return open_source(self.url, retry=retry)


class SourceRecordResource(dg.ConfigurableResource[None]):
    """The record of the kind of data in this home: TLC's or synthetic."""

    path: str = Field(description="File of the record; created with the first data.")

    def record(self) -> "SourceRecord":
        """The record."""
        from taxi_assets.source.data_kind import SourceRecord

        return SourceRecord(Path(self.path))


class ScratchResource(dg.ConfigurableResource[None]):
    """Scratch folders for downloads and for data that does not fit into memory."""

    root: str = Field(description="The parent folder; created if it is missing.")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder, removed at the end of the context."""
        with scratch_folder(Path(self.root)) as folder:
            yield folder


def log_progress(name: str, done: int, total: int | None) -> None:
    """Log download progress in bytes, for the progress bar of the command line."""
    DOWNLOADS.debug("%s: %d of %s bytes", name, done, total)
