"""What happens to a replace from outside: a process that is killed, and a reader at the same time."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from time import monotonic, sleep
from typing import Any

import dagster as dg

from taxi_assets.testing.runs import ReplaceByVersion

SECONDS_TO_START = 120  # of a process on a busy machine, with its imports


@dataclass(frozen=True)
class Killed:
    """What a killed process has reported: the last version that it had begun to store, and the last that was stored."""

    begun: int
    stored: int | None


def killed_after(seconds: float, replace: ReplaceByVersion, first: int, context: BaseContext) -> Killed:
    """Have a process replace with one version after the other, and kill it so long after the first has begun.

    Args:
        seconds: after the first output is handed to the IO manager.
        replace: what the process does.
        first: number of the first version.
        context: how processes are started.
    """
    reports = _reports_until(lambda _: sleep(seconds), replace, first, context)
    begun = [version for what, version in reports if what == "begun"]
    stored = [version for what, version in reports if what == "stored"]
    return Killed(begun[-1], stored[-1] if stored else None)


def seconds_of_a_replace(replace: ReplaceByVersion, first: int, context: BaseContext) -> float:
    """How long the first replace of a process takes, from the output on."""
    seconds = 0.0

    def wait(receiver: Connection) -> None:
        nonlocal seconds
        started = monotonic()
        what, text = receiver.recv()
        assert what == "stored", text
        seconds = monotonic() - started

    _reports_until(wait, replace, first, context)
    return seconds


def _reports_until(
    wait: Callable[[Connection], None], replace: ReplaceByVersion, first: int, context: BaseContext
) -> Sequence[tuple[str, Any]]:
    receiver, sender = context.Pipe(duplex=False)
    process: Any = context.Process(target=_replace_until_killed, args=(replace, first, dict(os.environ), sender))  # type: ignore[attr-defined]
    process.start()
    sender.close()
    with receiver:
        try:
            assert receiver.poll(SECONDS_TO_START), "the process did not begin to store anything"
            reports = [receiver.recv()]
            if reports[0][0] == "begun":
                wait(receiver)
        finally:
            process.kill()
            process.join()
        while receiver.poll():
            try:
                reports.append(receiver.recv())
            except EOFError:
                break
    failures = [text for what, text in reports if what == "failed"]
    assert not failures, failures[0]
    return reports


def _replace_until_killed(
    replace: ReplaceByVersion, first: int, environment: Mapping[str, str], sender: Connection
) -> None:
    os.environ.update(environment)  # a process that others are forked off does not know what was set after its start
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            for version in count(first):
                replace(instance, version, partial(sender.send, ("begun", version)))
                sender.send(("stored", version))
    except Exception as error:
        sender.send(("failed", f"{type(error).__name__}: {error}"))
        raise


@dataclass
class Reading:
    """What a reader found while others wrote."""

    found: list[Any] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


@contextmanager
def reading(read: Callable[[], Any]) -> Iterator[Reading]:
    """A thread that reads again and again for as long as the block lasts.

    A reader that is shut out for a moment, as by a lock, is no mistake: it tries again.
    """
    seen, stop = Reading(), threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                seen.found.append(read())
            except Exception as error:  # noqa: BLE001 - of any driver
                seen.errors.append(error)
                sleep(0.01)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
