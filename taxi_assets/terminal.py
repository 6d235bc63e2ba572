"""What `taxi` shows: how far a run is, and what came of it."""

import codecs
import io
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import cast

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from taxi_assets.catalog import RULES
from taxi_assets.resources import DOWNLOADS
from taxi_assets.running import Outcome

LOGGER = "terminal"
_PLAIN = {"●": "*", "◐": "~", "○": "o", "✗": "x", "·": ".", "…": "."}
_LAYERS = ("raw", "clean", "quarantine", "postgres", "warehouse")


def write_plainly() -> None:
    """Write symbols in ASCII, and letters as well as they can be, where a terminal is not one of Unicode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            handler = f"taxi_assets.{stream.encoding}"
            codecs.register_error(handler, partial(_plain, stream.encoding))
            stream.reconfigure(encoding="ascii", errors=handler)


def _plain(encoding: str, error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    symbols = error.object[error.start : error.end]
    written = "".join(_PLAIN.get(symbol, symbol) for symbol in symbols)
    return written.encode(encoding, "replace"), error.end


class Terminal:
    """The screen during runs: a line for each slice that is stored, the step in hand and a bar for a download."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), console=self.console, transient=True
        )
        self._task = self._progress.add_task("starting", total=None)

    @property
    def loggers(self) -> dict[str, dg.LoggerDefinition]:
        """The Dagster logger through which a run tells the screen what it does."""

        def make(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger(LOGGER, logging.DEBUG)
            logger.addHandler(_Listener(self._hear_dagster))
            return logger

        return {LOGGER: dg.logger(config_schema={})(make)}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Draw the screen for as long as the context is open."""
        listener = _Listener(self._hear_download)
        DOWNLOADS.setLevel(logging.DEBUG)
        DOWNLOADS.addHandler(listener)
        try:
            with self._progress:
                yield
        finally:
            DOWNLOADS.removeHandler(listener)

    def print_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """What was loaded, what was rejected and why, and what failed."""
        self.console.print(_rows_table(outcomes))
        rejected = _rejected_table(outcomes)
        if rejected.row_count:
            self.console.print(rejected)
        for outcome in outcomes:
            if outcome.page is not None:
                self.console.print(f"page of {outcome.request.name}: {escape(outcome.page)}", soft_wrap=True)
        self.print_troubles(outcomes)

    def print_checked(self, outcomes: Sequence[Outcome]) -> None:
        """What the checks of each month found."""
        for outcome in outcomes:
            if outcome.loaded:
                self.console.print(f"[green]{outcome.request.name}[/green]: the tables hold what the lake holds")
        self.print_troubles(outcomes)

    def print_troubles(self, outcomes: Sequence[Outcome]) -> None:
        """What failed, and what is odd."""
        for outcome in outcomes:
            for warning in outcome.warnings:
                self.console.print(f"[yellow]{outcome.request.name} is odd[/yellow] in {escape(warning)}")
            for failure in outcome.failures:
                self.console.print(f"[red]{outcome.request.name} failed[/red] in {escape(failure)}")

    def _hear_dagster(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is not None:
            if event.event_type == dg.DagsterEventType.STEP_START:
                self._progress.update(self._task, description=event.step_key, total=None)
        elif record.levelno >= logging.INFO and meta.get("step_key"):
            self._progress.console.print(f"  {escape(meta['orig_message'])}", style="dim")

    def _hear_download(self, record: logging.LogRecord) -> None:
        name, done, total = cast("tuple[str, int, int | None]", record.args)
        size = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if total else f"{done / 1e6:,.0f} MB"
        self._progress.update(self._task, description=f"{name}: {size}", completed=done, total=total)


class _Listener(logging.Handler):
    """A logging handler that hands each record to a function."""

    def __init__(self, hear: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record)


def _rows_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Rows", title_justify="left")
    table.add_column("")
    for layer in _LAYERS:
        table.add_column(layer, justify="right")
    table.add_column("seconds", justify="right")
    for outcome in outcomes:
        rows = (outcome.rows.get(f"{layer}/{outcome.request.table}") for layer in _LAYERS)
        cells = ("-" if count is None else f"{count:,}" for count in rows)
        name = outcome.request.name if outcome.loaded else f"[red]{outcome.request.name}[/red]"
        table.add_row(name, *cells, f"{outcome.seconds:.1f}")
    return table


def _rejected_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Rejected rows, by the first rule they broke", title_justify="left")
    table.add_column("rows", justify="right")
    table.add_column("rule")
    table.add_column("breaks when")
    for rule in RULES:
        rows = sum(outcome.rejected.get(rule.name, 0) for outcome in outcomes)
        if rows:
            table.add_row(f"{rows:,}", rule.name, rule.description)
    return table
