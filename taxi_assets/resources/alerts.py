"""Where alerts go: a Slack-compatible webhook."""

import re
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import Field

_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^@\s]*@")


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
