"""The resources that are not IO managers: where files come from, where alerts go, and room for a moment."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import Field

from taxi_assets.stores.scratch import scratch_folder

if TYPE_CHECKING:
    from taxi_assets.source import Source
    from taxi_assets.source.data_kind import SourceRecord

_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^@\s]*@")
DOWNLOADS = logging.getLogger("taxi_assets.downloads")


class SourceResource(dg.ConfigurableResource[None]):
    """Where TLC's files come from."""

    url: str = Field(description="https://…, file:///…, a folder laid out like TLC's CDN, or `sample`.")

    def open(self, *, patient: bool = True) -> "Source":
        """The source behind the URL; an impatient one asks a server once."""
        from taxi_assets.source import open_source

        return open_source(self.url, retry=patient)


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


class AlertResource(dg.ConfigurableResource[None]):
    """Where alerts go."""

    webhook: str | None = Field(default=None, description="A Slack-compatible URL; no alerts where it is not set.")
    ui: str = Field(description="Where the UI is, for links to runs.")
    postgres: str | None = Field(default=None, description="The Postgres URL, so that its password is kept out.")

    def post(self, text: str) -> None:
        """Send the text, without what must not be seen.

        Raises:
            AlertUnavailable: the webhook does not answer, or refuses.
        """
        import httpx

        from taxi_assets.errors import AlertUnavailable

        try:
            httpx.post((self.webhook or "").strip(), json={"text": self._scrubbed(text)}, timeout=10).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Not its text: that repeats the URL, which is a secret itself.
            answer = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
            raise AlertUnavailable(f"the webhook does not take alerts: {answer}") from None

    def link(self, run_id: str) -> str:
        """The run's page."""
        return f"{self.ui.rstrip('/')}/runs/{run_id}"

    def _scrubbed(self, text: str) -> str:
        text = _PASSWORD_IN_URL.sub(r"\1…@", text)
        password = urlsplit((self.postgres or "").strip()).password
        for secret in filter(None, (self.webhook, self.postgres, password, unquote(password or ""))):
            text = text.replace(secret.strip(), "…")
        return text


def tell_download(name: str, done: int, total: int | None) -> None:
    """Tell whoever listens to `DOWNLOADS` how many bytes of a file are there, of how many."""
    DOWNLOADS.debug("%s: %d of %s bytes", name, done, total)
