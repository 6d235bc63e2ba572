"""Other processes that replace: some are killed, and one may not write."""

import os
from collections.abc import Callable, Mapping
from itertools import count
from multiprocessing.connection import Connection

from taxi_assets.errors import TaxiError
from taxi_assets_tests.forks import FORKS

from .subjects import Subject

_SECONDS_TO_START = 120  # of a busy machine: the first one waits for imports of four seconds
_NOBODY = 65_534


def killed_after(wait: Callable[[Connection], object], subject: Subject, first: int) -> list[int]:
    """Start a process that replaces, kill it after the wait, and return what it told."""
    hear, tell = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_replace_until_killed, args=(subject, first, _servers(), tell))
    with hear:
        process.start()
        tell.close()
        assert hear.poll(_SECONDS_TO_START)  # it has imported everything and begins
        wait(hear)
        process.kill()
        process.join()
        told = []
        while hear.poll():
            try:
                told.append(hear.recv())
            except EOFError:
                break
    return told


def failure_as_nobody(subject: Subject, version: int) -> TaxiError | None:
    """How a replace fails in a process that has no more rights than anybody has."""
    hear, tell = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_replace_as_nobody, args=(subject, version, tell))
    with hear:
        process.start()
        tell.close()
        error = hear.recv()
        process.join()
    return error


def _servers() -> Mapping[str, str]:
    """Where the servers are: the process that others are forked off does not know those that came after it."""
    return {name: value for name, value in os.environ.items() if name.endswith("_EMULATOR_HOST")}


def _replace_until_killed(subject: Subject, first: int, servers: Mapping[str, str], tell: Connection) -> None:
    """Replace with one version after the other; tell each one's number before and after."""
    os.environ.update(servers)
    for version in count(first):
        tell.send(version)
        subject.replace(version)
        tell.send(version)


def _replace_as_nobody(subject: Subject, version: int, tell: Connection) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    try:
        subject.replace(version)
    except TaxiError as error:
        tell.send(error)
    else:
        tell.send(None)
