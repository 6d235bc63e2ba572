"""Entry point of the shell command `taxi`: installs signal handling, then imports and runs `cli.main`.

Slow imports do not belong here: a signal during them has to end the command, too.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `supervised` handles it: Python's own handler prints a traceback

import gc  # noqa: E402
from typing import NoReturn  # noqa: E402

from taxi_assets.cli.interrupts import supervised  # noqa: E402

gc.set_threshold(50_000)  # imports create half a million lasting objects; collecting them takes 0.2 s


def program() -> NoReturn:
    """Run the command and end the process."""
    supervised(_command)


def _command() -> None:
    from taxi_assets.cli.console import use_ascii_fallback
    from taxi_assets.cli.main import main

    gc.freeze()
    use_ascii_fallback()
    main()


if __name__ == "__main__":
    program()
