"""SIGINT and SIGTERM: a command ends at once wherever it is, with status 128 + signal; a second signal kills it.

The command runs in a thread of its own, and the main thread, which is where Python handles signals, does nothing but
listen: so no query, import, lock or sleep holds a signal up, and Dagster, which changes handlers in the main thread
only, does not swallow one. A store is whole at any moment, so nothing has to be undone before the process ends.

Imports nothing but the standard library, so that the first second of a command, its imports, is listened to as well.
"""

import atexit
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_TO_END = 10  # for the last words and the exit functions, of which the embedded Postgres stops in one or two
_ending = threading.Event()
_had_callbacks = threading.Event()  # something that has last words
_last_words: list[Callable[[str], None]] = []
_receivers: list["subprocess.Popen[bytes]"] = []


def supervised(command: Callable[[], object]) -> NoReturn:
    """Run the command and end the process with its status; a signal ends it before.

    Args:
        command: what to do; its `SystemExit` tells the status.
    """
    happened: queue.SimpleQueue[tuple[bool, int]] = queue.SimpleQueue()
    for number in _SIGNALS:
        # Also where SIGINT is ignored, as in a job that a script started with `&`: Dagster listens during a run anyway.
        signal.signal(number, lambda received, _: happened.put((True, received)))
    threading.Thread(target=lambda: happened.put((False, _status_of(command))), name="command", daemon=True).start()
    while True:
        is_signal, value = happened.get()
        if not is_signal:
            os._exit(value)  # what is left, to free each object, would take a second
        if _receivers:
            _receivers[-1].send_signal(value)
        else:
            _end(value)


@contextmanager
def on_interrupt(say: Callable[[str], None]) -> Iterator[None]:
    """Call `say` with the signal's name if one ends the process while the context is open: in another thread, soon."""
    _last_words.append(say)
    _had_callbacks.set()
    try:
        yield
    finally:
        _last_words.remove(say)


@contextmanager
def passed_on_to(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Pass signals on to the process while the context is open, instead of ending this one."""
    _receivers.append(process)
    try:
        yield
    finally:
        _receivers.remove(process)


def checkpoint() -> None:
    """Go no further once the process is ending, so that what it said last stays true for the moment that it has."""
    if _ending.is_set():
        threading.Event().wait()


def _status_of(command: Callable[[], object]) -> int:
    try:
        command()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python itself does
    except BaseException:  # noqa: BLE001 - the command's thread has nobody above it
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()  # the embedded Postgres stops here
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _end(number: int) -> NoReturn:
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_DFL)
    _ending.set()
    ending = threading.Thread(target=_say_last_words, args=(signal.Signals(number).name,), daemon=True)
    ending.start()
    ending.join(_SECONDS_TO_END)
    os._exit(128 + number)


def _say_last_words(name: str) -> None:
    if not _last_words:
        told = "" if _had_callbacks.is_set() else ": nothing was loaded"
        print(f"\nended by {name}{told}", file=sys.stderr)  # noqa: T201 - there may be no screen yet
    for say in reversed(_last_words):
        try:
            say(name)
        except Exception:  # noqa: BLE001 - the process ends all the same
            traceback.print_exc()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    atexit.unregister(logging.shutdown)  # it would wait for the command, which stands still in the midst of logging
    atexit._run_exitfuncs()
