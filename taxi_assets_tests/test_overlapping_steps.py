"""The steps of a command's run are executed two at a time, and what comes of them is what Dagster's own loop gives."""

import threading
from collections.abc import Callable, Sequence

import dagster as dg
import pytest
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

from taxi_assets.cli.overlapping_steps import overlapping_steps
from taxi_assets.jobs import PRIORITY

SECONDS_TO_MEET = 30
Events = Sequence[tuple[str | None, str]]


def asset(
    name: str, body: Callable[[], object], *, after: Sequence[str] = (), priority: int = 0
) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=after, op_tags={PRIORITY: str(priority)})
    def made() -> None:
        body()

    return made


def executed(*assets: dg.AssetsDefinition, raise_on_error: bool = False) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(assets, jobs=[dg.define_asset_job("job")])
    with dg.DagsterInstance.ephemeral() as instance, overlapping_steps():
        return definitions.resolve_job_def("job").execute_in_process(instance=instance, raise_on_error=raise_on_error)


def ends(result: dg.ExecuteInProcessResult) -> dict[str | None, str]:
    kinds = ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED")
    return {one.step_key: one.event_type_value for one in result.all_events if one.event_type_value in kinds}


def broken() -> None:
    raise LookupError("no such row")


def test_two_steps_that_need_nothing_of_each_other_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=SECONDS_TO_MEET)
    result = executed(asset("one", both.wait), asset("other", both.wait))
    assert result.success
    assert ends(result) == {"one": "STEP_SUCCESS", "other": "STEP_SUCCESS"}


def test_no_more_than_two_steps_run_at_the_same_time() -> None:
    running, most = [], []

    def body() -> None:
        running.append(None)
        most.append(len(running))
        threading.Event().wait(0.05)
        running.pop()

    assert executed(*(asset(f"asset_{number}", body) for number in range(6))).success
    assert max(most) == 2


def test_a_step_begins_after_all_that_it_needs_has_ended() -> None:
    order: list[str] = []
    names = {"left": (), "right": (), "both": ("left", "right"), "last": ("both",)}
    assert executed(*(asset(name, lambda name=name: order.append(name), after=needs) for name, needs in names.items()))  # type: ignore[misc]
    assert order[2:] == ["both", "last"]


def test_of_the_steps_that_are_ready_the_one_of_the_highest_priority_begins_first() -> None:
    begun: list[str] = []
    assets = [asset(name, lambda name=name: begun.append(name), priority=int(name == "e")) for name in "abcde"]  # type: ignore[misc]
    assert executed(*assets).success
    assert "e" in begun[:2]


def test_a_failure_ends_what_follows_it_and_leaves_the_step_beside_it_alone() -> None:
    both = threading.Barrier(2, timeout=SECONDS_TO_MEET)

    def fail() -> None:
        both.wait()
        broken()

    result = executed(asset("bad", fail), asset("good", both.wait), asset("child", int, after=["bad"]))
    assert not result.success
    assert ends(result) == {"bad": "STEP_FAILURE", "good": "STEP_SUCCESS"}
    assert "no such row" in result.failure_data_for_node("bad").error.cause.message  # type: ignore[union-attr]


def test_an_error_is_raised_where_the_caller_wants_it_raised() -> None:
    with pytest.raises(LookupError, match="no such row"):
        executed(asset("bad", broken), asset("good", int), raise_on_error=True)


def test_a_step_that_asks_to_be_tried_again_is_while_another_one_runs() -> None:
    tries: list[None] = []
    done = threading.Event()

    def body() -> None:
        tries.append(None)
        if len(tries) < 3:
            raise dg.RetryRequested(max_retries=2, seconds_to_wait=0)
        done.set()

    def wait() -> None:
        assert done.wait(SECONDS_TO_MEET)

    assert executed(asset("again", body), asset("beside", wait)).success
    assert len(tries) == 3


def test_a_run_goes_on_where_its_output_cannot_be_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(NoOpComputeLogManager, "capture_logs", refused)
    result = executed(asset("one", int))
    assert result.success
    told = [one.engine_event_data.error for one in result.all_events if one.is_engine_event]
    assert any(error is not None and "read-only file system" in error.message for error in told)


def test_dagster_s_own_loop_is_back_where_the_command_has_ended() -> None:
    barrier = threading.Barrier(2, timeout=0.1)
    with overlapping_steps():
        pass
    definitions = dg.Definitions([asset("one", barrier.wait), asset("other", barrier.wait)])
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(raise_on_error=False)
    assert not result.success
