"""What a step has read, so that nothing made of it is stored once another run has replaced it.

An asset that turns rows into a DataFrame leaves no way back from its output to the version that it read; the step that
reads and writes both is the same.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import dagster as dg

from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:  # what Dagster's contexts are made from has no public name
    from dagster._core.execution.context.system import StepExecutionContext

_read: "WeakKeyDictionary[StepExecutionContext, list[Callable[[], None]]]" = WeakKeyDictionary()


def step_of(context: dg.InputContext | dg.OutputContext) -> "StepExecutionContext | None":
    """The step that reads or writes; None outside of a run."""
    try:
        return context.step_context
    except dg.DagsterInvariantViolationError:
        return None


def record_input(context: dg.InputContext, rows: Rows) -> None:
    """The step reads these rows."""
    step = step_of(context)
    if step is not None:
        _read.setdefault(step, []).append(rows.confirm)


def require_current_inputs(context: dg.OutputContext) -> None:
    """Make sure that what the step read is still current.

    Raises:
        Overtaken: another run has replaced it.
    """
    step = step_of(context)
    for confirm in () if step is None else _read.get(step, ()):
        confirm()
