"""The resources that are not IO managers: where files come from, and room for what is only needed for a moment."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from taxi_assets.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.source import Source

DOWNLOADS = logging.getLogger("taxi_assets.downloads")


class SourceResource(dg.ConfigurableResource[None]):
    """Where TLC's files come from."""

    url: str = Field(description="https://…, file:///…, a folder laid out like TLC's CDN, or `sample`.")

    def open(self) -> "Source":
        """The source behind the URL."""
        from taxi_assets.source import open_source

        return open_source(self.url)


class ScratchResource(dg.ConfigurableResource[None]):
    """A folder for downloads on their way to the lake and for what does not fit into memory."""

    root: str = Field(description="The folder; made where it is missing.")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A new folder that is gone afterwards."""
        with scratch_folder(Path(self.root)) as folder:
            yield folder


def tell_download(name: str, done: int, total: int | None) -> None:
    """Tell whoever listens to `DOWNLOADS` how many bytes of a file are there, of how many."""
    DOWNLOADS.debug("%s: %d of %s bytes", name, done, total)
