import pytest

from taxi_assets.errors import StoreUnavailable
from taxi_assets.stores.retries import Conflict, retry_conflicts, retry_for


class Writer:
    """Fails so many times, and then succeeds."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.attempts = 0

    def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise self.error
        return "written"


def test_a_conflict_is_retried_up_to_ten_attempts() -> None:
    writer = Writer(9, Conflict())
    assert (retry_conflicts(writer, "again and again"), writer.attempts) == ("written", 10)


def test_the_last_conflict_is_the_cause_of_the_error() -> None:
    writer = Writer(10, Conflict("another writer"))
    with pytest.raises(StoreUnavailable, match="again and again") as caught:
        retry_conflicts(writer, "again and again")
    assert (writer.attempts, caught.value.__cause__) == (10, writer.error)


def test_other_errors_pass_through_at_once() -> None:
    writer = Writer(1, ValueError("wrong"))
    for retry in (
        lambda: retry_conflicts(writer, "never"),
        lambda: retry_for(60, writer, "never", on=KeyError),
    ):
        writer.attempts = 0
        with pytest.raises(ValueError, match="wrong"):
            retry()
        assert writer.attempts == 1


def test_no_attempt_begins_after_the_time_is_over() -> None:
    writer = Writer(1, KeyError("locked"))
    with pytest.raises(StoreUnavailable, match="in use"):
        retry_for(0, writer, "in use", on=KeyError)
    assert writer.attempts == 1
    writer.attempts = 0
    assert (retry_for(60, writer, "in use", on=KeyError), writer.attempts) == ("written", 2)
