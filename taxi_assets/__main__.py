"""The shell's `taxi`: `cli.main`, which signals end at once, in a process that ends sooner than Python's own.

Nothing is imported here that takes time: until `supervised` listens, a signal would end in a traceback.
"""

import gc
from typing import NoReturn

from taxi_assets.interrupts import supervised

gc.set_threshold(50_000)  # imports make half a million objects that stay: to look for garbage among them takes 0.2 s


def program() -> NoReturn:
    """Run the command and end the process."""
    supervised(_command)


def _command() -> None:
    from taxi_assets.cli import main
    from taxi_assets.terminal import write_plainly

    gc.freeze()
    write_plainly()
    main()


if __name__ == "__main__":
    program()
