"""Where TLC's files come from, which kind of data a home holds, and room for files on their way."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.source import Source
    from taxi_assets.source.data_kind import SourceRecord

DOWNLOADS = logging.getLogger("taxi_assets.downloads")


class SourceResource(dg.ConfigurableResource[None]):
    """Where TLC's files come from."""

    url: str = Field(description="https://…, file:///…, a folder laid out like TLC's CDN, or `sample`.")

    def open(self, *, retry: bool = True) -> "Source":
        """The source behind the URL; `retry=False` is for ticks and quick look-ups: one attempt, 10 seconds."""
        from taxi_assets.source import open_source

        return open_source(self.url, retry=retry)


class SourceRecordResource(dg.ConfigurableResource[None]):
    """Which kind of data this home holds, TLC's or synthetic."""

    path: str = Field(description="The file that says it; made with the first data.")

    def record(self) -> "SourceRecord":
        """The record itself."""
        from taxi_assets.source.data_kind import SourceRecord

        return SourceRecord(Path(self.path))


class ScratchResource(dg.ConfigurableResource[None]):
    """A folder for downloads on their way to the lake and for what does not fit into memory."""

    root: str = Field(description="The folder; made where it is missing.")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder that is gone afterwards."""
        with scratch_folder(Path(self.root)) as folder:
            yield folder


def log_progress(name: str, done: int, total: int | None) -> None:
    """Log how many bytes of a file have arrived, of how many, for the command line's progress bar."""
    DOWNLOADS.debug("%s: %d of %s bytes", name, done, total)
