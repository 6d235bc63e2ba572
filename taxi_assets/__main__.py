"""The shell's `taxi`: `cli.main` in a process that starts and ends sooner than Python's own way, by a second of ten."""

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn

gc.set_threshold(50_000)  # imports make half a million objects that stay: to look for garbage among them takes 0.2 s

from taxi_assets.cli import main  # noqa: E402
from taxi_assets.terminal import write_plainly  # noqa: E402


def program() -> NoReturn:
    """Run the command and end the process.

    Everything is closed by then. To free each object as well takes Python up to a second, which the next prompt need
    not wait for.
    """
    gc.freeze()
    write_plainly()
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    atexit._run_exitfuncs()  # the embedded Postgres stops here
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    program()
