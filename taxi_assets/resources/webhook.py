"""Sends alerts to a Slack-compatible webhook, without secrets.

What causes an alert is decided in `automation.alerts`.
"""

import re
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import Field

_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^@\s]*@")


class AlertResource(dg.ConfigurableResource[None]):
    """A Slack-compatible webhook for alerts."""

    webhook: str | None = Field(default=None, description="A Slack-compatible URL; no alerts if it is not set.")
    ui: str = Field(description="URL of the Dagster UI, for links.")
    postgres: str | None = Field(default=None, description="The Postgres URL, whose password is removed from alerts.")

    def post(self, text: str) -> None:
        """Send the text with secrets removed.

        Raises:
            AlertUnavailable: the webhook does not answer, or refuses.
        """
        import httpx

        from taxi_assets.errors import AlertUnavailable

        try:
            httpx.post((self.webhook or "").strip(), json={"text": self._scrubbed(text)}, timeout=10).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The error's text contains the URL, which is a secret itself.
            answer = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else type(error).__name__
            raise AlertUnavailable(f"the webhook does not take alerts: {answer}") from None

    def link(self, page: str, text: str) -> str:
        """A link to a page of the Dagster UI, as Slack formats one.

        Args:
            page: its path, as `runs/…`, quoted for a URL.
            text: what the link shows.
        """
        return f"<{self.ui.rstrip('/')}/{page}|{text}>"

    def _scrubbed(self, text: str) -> str:
        text = _PASSWORD_IN_URL.sub(r"\1…@", text)
        password = urlsplit((self.postgres or "").strip()).password
        for secret in filter(None, (self.webhook, self.postgres, password, unquote(password or ""))):
            text = text.replace(secret.strip(), "…")
        return text
