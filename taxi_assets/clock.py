"""The time, asked for in one place: a test that needs another day replaces `now` here."""

from datetime import UTC, datetime


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(tz=UTC)
