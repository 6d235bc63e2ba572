"""Retries shared by the stores: of a write that conflicts with another writer's, and of a lock that is not free.

Requests to a service are not retried here: Google's clients and psycopg have their own settings for that.
"""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_random,
)

from taxi_assets.errors import StoreUnavailable

_ATTEMPTS = 10  # against other writers of the same object at the same time

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]


class Conflict(Exception):
    """Another writer changed the object between this process's read and its write."""


def retry_conflicts(attempt: Callable[[], T], given_up: str, on: Errors = Conflict) -> T:
    """The result of the attempt, which is repeated at once, up to ten times, when another writer was faster.

    Args:
        attempt: reads the present state and writes over exactly that; called again from its beginning.
        given_up: text of the error after the last attempt.
        on: the exceptions that mean a conflict; all others pass through.

    Raises:
        StoreUnavailable: every attempt met another writer.
    """
    retrying = Retrying(
        stop=stop_after_attempt(_ATTEMPTS), retry=retry_if_exception_type(on), retry_error_callback=_fail(given_up)
    )
    return retrying(attempt)


def retry_for(seconds: float, attempt: Callable[[], T], given_up: str, on: Errors) -> T:
    """The result of the attempt, which is repeated after a random pause of up to a second until the time is over.

    Args:
        seconds: no attempt begins later.
        attempt: leaves nothing behind when it fails.
        given_up: text of the error after the last attempt.
        on: the exceptions that are retried; all others pass through.

    Raises:
        StoreUnavailable: the last attempt failed like the others.
    """
    retrying = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_random(0.1, 1),  # spreads concurrent writers out
        retry=retry_if_exception_type(on),
        retry_error_callback=_fail(given_up),
    )
    return retrying(attempt)


def _fail(text: str) -> Callable[[RetryCallState], NoReturn]:
    def fail(state: RetryCallState) -> NoReturn:
        raise StoreUnavailable(text) from (None if state.outcome is None else state.outcome.exception())

    return fail
