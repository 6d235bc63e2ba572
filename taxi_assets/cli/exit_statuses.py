"""How commands end after an error: the text on the terminal, and the exit status."""

import errno
import traceback

import click

from taxi_assets.errors import TaxiError


class _Trouble(click.ClickException):
    exit_code = 2


class Group(click.Group):
    """Prints a `TaxiError` or an `OSError` as one line; any other error is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; the exit status after an error is 1."""
        try:
            return super().invoke(ctx)
        except (TaxiError, OSError) as error:
            raise _shown(error, click.ClickException) from error


class DiffCommand(click.Command):
    """A command that exits with 2 after any error, since 1 means that there are differences, as with diff(1)."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; the exit status after an error is 2."""
        try:
            return super().invoke(ctx)
        except (TaxiError, OSError) as error:
            raise _shown(error, _Trouble) from error
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception:  # noqa: BLE001 - a bug, after which Python's own exit status is 1
            traceback.print_exc()
            ctx.exit(2)


def _shown(error: TaxiError | OSError, kind: type[click.ClickException]) -> Exception:
    """The exception by which click prints the error and exits with the kind's status."""
    if isinstance(error, TaxiError):
        return kind(str(error))
    if error.errno == errno.EPIPE:  # the reader of a pipe has exited, which click handles
        return error
    where = f"{error.filename}: " if error.filename else ""
    return kind(
        f"{where}{error.strerror or error}. TAXI_HOME names the folder for everything that has no other place, "
        "and TMPDIR the one for temporary files; both have to be folders that you may write to"
    )
