"""SIGINT and SIGTERM handling: a signal ends a command at once with status 128 + signal; a second one kills it.

The command runs in a thread of its own. The main thread, where Python handles signals, only waits for them: so no
query, import, lock or sleep delays a signal, and Dagster, which replaces handlers in the main thread only, cannot
swallow one. Writes to stores are atomic, so nothing has to be rolled back before the process ends.

This module imports the standard library only, so that a signal during a command's imports is handled as well.
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
_SECONDS_TO_END = 10  # for callbacks and exit functions; the embedded Postgres stops in one or two
_ending = threading.Event()
_had_callbacks = threading.Event()
_callbacks: list[Callable[[str], None]] = []
_forward_to: list["subprocess.Popen[bytes]"] = []


def supervised(command: Callable[[], object]) -> NoReturn:
    """Run the command and end the process with its status, or earlier by a signal.

    Args:
        command: the command; the status is that of its `SystemExit`, else 0.
    """
    happened: queue.SimpleQueue[tuple[bool, int]] = queue.SimpleQueue()
    for number in _SIGNALS:
        # Even if SIGINT is ignored, as in background jobs of a script: Dagster handles it during a run anyway.
        signal.signal(number, lambda received, _: happened.put((True, received)))
    threading.Thread(target=lambda: happened.put((False, _status_of(command))), name="command", daemon=True).start()
    while True:
        is_signal, value = happened.get()
        if not is_signal:
            os._exit(value)  # skips freeing each object, which takes a second
        if _forward_to:
            _forward_to[-1].send_signal(value)
        else:
            _end(value)


@contextmanager
def on_interrupt(callback: Callable[[str], None]) -> Iterator[None]:
    """If a signal ends the process while the context is open, call `callback` with its name, in another thread."""
    _callbacks.append(callback)
    _had_callbacks.set()
    try:
        yield
    finally:
        _callbacks.remove(callback)


@contextmanager
def forward_signals_to(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Forward signals to the process while the context is open, instead of ending this one."""
    _forward_to.append(process)
    try:
        yield
    finally:
        _forward_to.remove(process)


def block_if_ending() -> None:
    """Block this thread for good once the process is ending, so that it changes nothing after the callbacks."""
    if _ending.is_set():
        threading.Event().wait()


def _status_of(command: Callable[[], object]) -> int:
    try:
        command()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
    except BaseException:  # noqa: BLE001 - the outermost frame of the thread
        traceback.print_exc()
        status = 1
    _run_exit_functions()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _end(number: int) -> NoReturn:
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_DFL)
    _ending.set()
    ending = threading.Thread(target=_run_callbacks, args=(signal.Signals(number).name,), daemon=True)
    ending.start()
    ending.join(_SECONDS_TO_END)
    os._exit(128 + number)


def _run_callbacks(name: str) -> None:
    if not _callbacks:
        result = "" if _had_callbacks.is_set() else ": nothing was loaded"
        print(f"\nended by {name}{result}", file=sys.stderr)  # noqa: T201 - before the terminal is set up
    for callback in reversed(_callbacks):
        try:
            callback(name)
        except Exception:  # noqa: BLE001 - the process ends in any case
            traceback.print_exc()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    atexit.unregister(logging.shutdown)  # it would wait for the command's thread, which may hold a logging lock
    _run_exit_functions()


def _run_exit_functions() -> None:
    """Run the functions that `atexit` holds, which stop the embedded Postgres.

    `os._exit` skips them, and Python has no public call that runs them without ending the interpreter.
    """
    atexit._run_exitfuncs()
