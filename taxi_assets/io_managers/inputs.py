"""Tracks the inputs of a step, so that no output is stored after another run has replaced an input.

An output made of a DataFrame does not identify the version of its inputs. The step does: it reads and writes both.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import dagster as dg

from taxi_assets.stores.rows import Rows

if TYPE_CHECKING:  # the step context has no public name; used as a weak key only
    from dagster._core.execution.context.system import StepExecutionContext

_read: "WeakKeyDictionary[StepExecutionContext, list[Callable[[], None]]]" = WeakKeyDictionary()


def step_of(context: dg.InputContext | dg.OutputContext) -> "StepExecutionContext | None":
    """The context's step; None outside of a run."""
    try:
        return context.step_context
    except dg.DagsterInvariantViolationError:
        return None


def record_input(context: dg.InputContext, rows: Rows) -> None:
    """Record that the step reads these rows."""
    step = step_of(context)
    if step is not None:
        _read.setdefault(step, []).append(rows.confirm)


def require_current_inputs(context: dg.OutputContext) -> None:
    """Check that every input of the step is still the current version.

    Raises:
        Overtaken: another run has replaced an input.
    """
    step = step_of(context)
    for confirm in () if step is None else _read.get(step, ()):
        confirm()
