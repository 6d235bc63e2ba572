"""The shell's `taxi`: `cli.main`, which signals end at once, in a process that ends sooner than Python's own.

Nothing is imported here that takes time.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `supervised` listens: Python's own way is a traceback

import gc  # noqa: E402
from typing import NoReturn  # noqa: E402

from taxi_assets.cli.interrupts import supervised  # noqa: E402

gc.set_threshold(50_000)  # imports make half a million objects that stay: to look for garbage among them takes 0.2 s


def program() -> NoReturn:
    """Run the command and end the process."""
    supervised(_command)


def _command() -> None:
    from taxi_assets.cli.console import write_plainly
    from taxi_assets.cli.main import main

    gc.freeze()
    write_plainly()
    main()


if __name__ == "__main__":
    program()
