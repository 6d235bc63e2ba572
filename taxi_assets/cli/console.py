"""Terminal output of `taxi run` and `taxi check`: progress of a run, and its results.

The other commands print from their own `render` modules.
"""

import codecs
import io
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from taxi_assets.catalog import RULES, ZONES, Layer, ZoneLayer
from taxi_assets.cli import interrupts
from taxi_assets.cli.runs import Outcome, Request
from taxi_assets.resources import DOWNLOADS

LOGGER = "terminal"
_PLAIN = {"●": "*", "◐": "~", "○": "o", "✗": "x", "·": ".", "…": "."}
_STEP_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
}
# Without lines, the counts of a month of 20,000,000 rows fit into 80 columns.
_PLAIN_TABLE: Mapping[str, Any] = {"title_justify": "left", "box": None, "padding": (0, 2, 0, 0)}
_PACKAGE = logging.getLogger("taxi_assets")
_LAYERS: Mapping[str, tuple[Layer, ZoneLayer | None]] = {  # heading -> of trips, of zones
    "raw": (Layer.RAW, ZoneLayer.RAW),
    "clean": (Layer.CLEAN, None),
    "quarantine": (Layer.QUARANTINE, None),
    "postgres": (Layer.POSTGRES, ZoneLayer.POSTGRES),
    "warehouse": (Layer.WAREHOUSE, ZoneLayer.WAREHOUSE),
}


def use_ascii_fallback() -> None:
    """On a terminal without UTF-8, replace symbols by ASCII and encode letters as far as its encoding has them."""
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
    """Progress display: a line for each stored slice, the current step, and a bar for a download."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), console=self.console, transient=True
        )
        self._task = self._progress.add_task("starting", total=None)
        self._steps: list[str] = []  # that are being executed
        self._last_messages: dict[int | None, str] = {}  # by thread

    @property
    def loggers(self) -> dict[str, dg.LoggerDefinition]:
        """The Dagster logger that shows a run's events on the terminal."""

        def make(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger(LOGGER, logging.DEBUG)
            logger.addHandler(_CallbackHandler(self._on_dagster_record))
            return logger

        return {LOGGER: dg.logger(config_schema={})(make)}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show progress while the context is open."""
        downloads, package = _CallbackHandler(self._on_download_record), _CallbackHandler(self._on_package_record)
        DOWNLOADS.setLevel(logging.DEBUG)
        DOWNLOADS.addHandler(downloads)
        package.setLevel(logging.INFO)
        _PACKAGE.setLevel(logging.INFO)
        _PACKAGE.addHandler(package)
        try:
            with self._progress:
                yield
        finally:
            DOWNLOADS.removeHandler(downloads)
            _PACKAGE.removeHandler(package)

    def print_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Print rows loaded, rows rejected by rule, pages, warnings and failures."""
        self.console.print(_rows_table(outcomes))
        rejected = _rejected_table(outcomes)
        if rejected.row_count:
            self.console.print("", rejected, sep="\n")
        self.console.print()
        for outcome in outcomes:
            if outcome.page is not None:
                self.console.print(f"page of {outcome.request.name}: {escape(outcome.page)}", soft_wrap=True)
        for index in {outcome.index for outcome in outcomes if outcome.index is not None}:
            self.console.print(f"index of all months: {escape(index)}", soft_wrap=True)
        self.print_issues(outcomes)

    def print_synthetic_notice(self, home: Path, *, synthetic: bool) -> None:
        """Print a notice if the home holds synthetic data."""
        if synthetic:
            self.console.print("[bold yellow]synthetic data[/bold yellow], made by the sample source, in")
            self.console.print(f"  {escape(str(home))}", soft_wrap=True)

    def print_check_results(self, outcomes: Sequence[Outcome]) -> None:
        """Print the result of each month's checks."""
        for outcome in outcomes:
            if outcome.loaded:
                self.console.print(f"[green]{outcome.request.name}[/green]: the tables hold what the lake holds")
        self.print_issues(outcomes)

    def print_interrupted(
        self,
        signal_name: str,
        outcomes: Sequence[Outcome],
        left: Sequence[Request],
        again: Callable[[Sequence[Request]], str],
    ) -> None:
        """Print what was loaded before the signal, what was not, and the command to continue."""
        self._progress.stop()
        self.console.print(f"[red]ended by {signal_name}[/red]")
        names = {
            "done": [one.request.name for one in outcomes if one.loaded],
            "failed": [one.request.name for one in outcomes if not one.loaded],
            "interrupted": [f"{one.name}: each store holds its old version or its new one, whole" for one in left[:1]],
            "not begun": [one.name for one in left[1:]],
        }
        for what, which in names.items():
            if which:
                self.console.print(f"  {what:12} {escape(', '.join(which))}", soft_wrap=True)
        if left:
            self.console.print(f"to go on: {escape(again(left))}", soft_wrap=True)

    def print_issues(self, outcomes: Sequence[Outcome]) -> None:
        """Print warnings and failures."""
        for outcome in outcomes:
            for warning in outcome.warnings:
                self.console.print(f"[yellow]{outcome.request.name} is odd[/yellow] in {escape(warning)}")
            for failure in outcome.failures:
                self.console.print(f"[red]{outcome.request.name} failed[/red] in {escape(failure)}")

    def _on_dagster_record(self, record: logging.LogRecord) -> None:
        interrupts.block_if_ending()  # before Dagster records the event, so that a canceled run records no progress
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is not None:
            if event.event_type == dg.DagsterEventType.STEP_START:
                self._show_steps([*self._steps, event.step_key])
            elif event.event_type in _STEP_ENDS:
                self._show_steps([step for step in self._steps if step != event.step_key])
                if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
                    self._print_retry(event)
            elif event.event_type == dg.DagsterEventType.ENGINE_EVENT and "pool" in event.engine_event_data.metadata:
                self._progress.console.print(f"  {event.step_key} waits for a slot: {event.message}", style="yellow")
        elif (
            record.levelno >= logging.INFO
            and meta.get("step_key")
            and meta["orig_message"] != self._last_messages.get(record.thread)
        ):
            self._progress.console.print(f"  {escape(meta['orig_message'])}", style="dim")

    def _show_steps(self, steps: list[str]) -> None:
        self._steps = steps
        if steps:  # without the group that they share: two names fit into 80 columns
            names = (step.partition("__")[2] or step for step in steps)
            self._progress.update(self._task, description=", ".join(names), total=None)

    def _print_retry(self, event: dg.DagsterEvent) -> None:
        data = event.step_retry_data
        why = data.error.message.strip().partition(": ")[2] if data.error else ""
        self._progress.console.print(
            f"  {event.step_key} is tried again in {data.seconds_to_wait:.0f} s: {escape(why)}", style="yellow"
        )

    def _on_package_record(self, record: logging.LogRecord) -> None:
        """Print a record of the package's own logger; in a run Dagster may log the same message."""
        self._last_messages[record.thread] = message = record.getMessage()
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        self._progress.console.print(f"  {escape(message)}", style=style)

    def _on_download_record(self, record: logging.LogRecord) -> None:
        name, done, total = cast("tuple[str, int, int | None]", record.args)
        size = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if total else f"{done / 1e6:,.0f} MB"
        self._progress.update(self._task, description=f"{name}: {size}", completed=done, total=total)


class _CallbackHandler(logging.Handler):
    """A logging handler that calls a function with each record."""

    def __init__(self, callback: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._callback = callback

    def emit(self, record: logging.LogRecord) -> None:
        self._callback(record)


def _rows_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Rows", **_PLAIN_TABLE)
    table.add_column("")
    for heading in (*_LAYERS, "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        kind = outcome.request.group == ZONES
        rows = (outcome.rows.get(f"{outcome.request.group}/{layers[kind]}") for layers in _LAYERS.values())
        cells = ("-" if count is None else f"{count:,}" for count in rows)
        name = outcome.request.name if outcome.loaded else f"[red]{outcome.request.name}[/red]"
        table.add_row(name, *cells, f"{outcome.seconds:.1f}")
    return table


def _rejected_table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Rejected rows, by the first rule they broke", **_PLAIN_TABLE)
    table.add_column("rows", justify="right")
    table.add_column("rule")
    table.add_column("breaks when")
    for rule in RULES:
        rows = sum(outcome.rejected.get(rule.name, 0) for outcome in outcomes)
        if rows:
            table.add_row(f"{rows:,}", rule.name, rule.description)
    return table
