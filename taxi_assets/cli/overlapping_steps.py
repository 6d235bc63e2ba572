"""Executes the steps of a command's run two at a time, in threads of this process.

The load into Postgres is the longest step and the server's work for the most part, so that the other stores, the
summary and the page fit beside it. Which of the steps that are ready comes first is Dagster's decision, by their
`dagster/priority`.

Runs of the daemon execute one step at a time: several of them share the machine, and Dagster cancels a run by a signal,
which Python handles in the main thread only. A command ends by one at once, whatever its threads do (`interrupts`).
"""

import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import copy_context

import dagster as dg
from dagster._core.execution import compute_logs
from dagster._core.execution.context.system import PlanExecutionContext, StepExecutionContext
from dagster._core.execution.plan import execute_plan
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.executor import in_process

_STEPS_AT_ONCE = 2  # each holds its own part of a large month in memory
_Result = tuple[list[dg.DagsterEvent], BaseException | None]


@contextmanager
def overlapping_steps() -> Iterator[None]:
    """While the context is open, `JobDefinition.execute_in_process` executes steps of a run at the same time."""
    loop = execute_plan.inner_plan_execution_iterator
    vars(in_process).update(inner_plan_execution_iterator=_two_at_a_time)
    try:
        yield
    finally:
        vars(in_process).update(inner_plan_execution_iterator=loop)


def _two_at_a_time(
    run: PlanExecutionContext, plan: ExecutionPlan, concurrency: InstanceConcurrencyContext | None = None
) -> Iterator[dg.DagsterEvent]:
    """What Dagster's `inner_plan_execution_iterator` does, for several steps at once."""
    running: dict[Future[_Result], StepExecutionContext] = {}
    with (
        ThreadPoolExecutor(_STEPS_AT_ONCE, "step") as threads,
        plan.start(
            run.retry_mode,
            max_concurrent=_STEPS_AT_ONCE,
            instance_concurrency_context=concurrency,
            step_dependency_config=run.step_dependency_config,
        ) as active,
        ExitStack() as capture,
    ):
        try:
            yield _captured(run, plan, capture)
        except Exception:  # noqa: BLE001 - as where its folder is read-only: a run goes on without
            yield from execute_plan._handle_compute_log_setup_error(run, sys.exc_info())
        while not active.is_complete:
            for step in active.get_steps_to_execute():
                context = run.for_step(step, active.get_known_state())
                running[threads.submit(copy_context().run, _executed, context)] = context
            yield from active.concurrency_event_iterator(run)
            if not running:
                active.sleep_til_ready()
                continue
            until_next = active.sleep_interval() or None  # type: ignore[no-untyped-call]
            for future in wait(running, until_next, FIRST_COMPLETED).done:
                context = running.pop(future)
                events, error = future.result()
                for event in events:
                    yield event
                    active.handle_event(event)
                if error is not None:
                    raise error
                active.verify_complete(run, context.step.key)
                yield from active.plan_events_iterator(run)
                yield from execute_plan._trigger_hook(context, events)


def _captured(run: PlanExecutionContext, plan: ExecutionPlan, capture: ExitStack) -> dg.DagsterEvent:
    """Capture what this process writes, as the instance wants it, until `capture` is closed."""
    logs = run.instance.compute_log_manager
    file_key = compute_logs.create_compute_log_file_key()  # type: ignore[no-untyped-call]
    log_key = logs.build_log_key_for_run(run.run_id, file_key)
    context = capture.enter_context(logs.capture_logs(log_key))
    event: dg.DagsterEvent = dg.DagsterEvent.capture_logs(run, plan.step_keys_to_execute, log_key, context)
    return event


def _executed(step: StepExecutionContext) -> _Result:
    """The events of the step, which are recorded as they happen, and the error that ends the run with it."""
    events = []
    try:
        for event in execute_plan.dagster_event_sequence_for_step(step):
            events.append(event)
    except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
        return events, error
    return events, None
