"""What is tried again and what is not, in assets, IO managers and checks; and runs that were given up."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

import taxi_assets
from taxi_assets.automation.run_errors import failed_steps
from taxi_assets.errors import SchemaBroken, SourceUnavailable, StoreUnavailable
from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager
from taxi_assets.io_managers import common as io_slices
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.resources import DuckDBResource

DOWN = StoreUnavailable("the store at 127.0.0.1 does not answer: start it")
PACKAGE = Path(taxi_assets.__file__).parent


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_slices, "SECONDS_BETWEEN_RETRIES", 0)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class FailingIOManager(dg.IOManager):
    """As ours: what its store raises passes through `map_errors_to_failures`."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.error = error
        self.where = where
        self.asked = 0

    def _ask(self, where: str) -> None:
        if where == self.where:
            self.asked += 1
            with map_errors_to_failures():
                raise self.error

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        self._ask("output")

    def load_input(self, context: dg.InputContext) -> int:
        self._ask("input")
        return 1


def failing_everywhere(error: BaseException, where: str) -> tuple[FailingIOManager, list[Any]]:
    """A table and its check, of which one thing fails: the body, the IO manager, or the check."""
    manager = FailingIOManager(error, where)

    @dg.asset
    def upstream() -> int:
        manager._ask("body")
        return 1

    @dg.asset
    def table(upstream: int) -> int:
        return upstream

    @dg.asset_check(asset=table)
    def checked() -> dg.AssetCheckResult:
        manager._ask("check")
        return dg.AssetCheckResult(passed=True)

    return manager, [upstream, table, checked]


def materialized(manager: FailingIOManager, made: list[Any], instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize(made, instance=instance, resources={"io_manager": manager}, raise_on_error=False)


@pytest.mark.parametrize("where", ["body", "output", "input", "check"])
def test_a_store_that_is_down_is_tried_three_times_and_then_told_in_our_words(
    instance: dg.DagsterInstance, where: str
) -> None:
    manager, made = failing_everywhere(DOWN, where)
    result = materialized(manager, made, instance)
    assert manager.asked == 3
    [trouble] = failed_steps(result.all_events)
    assert trouble.what == f"StoreUnavailable: {DOWN}"


@pytest.mark.parametrize("where", ["body", "output", "input", "check"])
@pytest.mark.parametrize(
    "error", [SchemaBroken("lacks fare_amount"), SourceUnavailable("503"), IndexError("out of range")]
)
def test_what_a_retry_cannot_help_fails_at_once(instance: dg.DagsterInstance, where: str, error: Exception) -> None:
    manager, made = failing_everywhere(error, where)
    result = materialized(manager, made, instance)
    assert manager.asked == 1
    [trouble] = failed_steps(result.all_events)
    assert trouble.what == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("where", ["body", "output", "input", "check"])
def test_an_interrupt_is_no_reason_to_try_again(instance: dg.DagsterInstance, where: str) -> None:
    manager, made = failing_everywhere(dg.DagsterExecutionInterruptedError(), where)
    assert not materialized(manager, made, instance).success
    assert manager.asked == 1


def test_no_op_has_a_retry_policy_and_only_downloads_have_a_pool() -> None:
    from taxi_assets.definitions import defs

    for job in defs.get_repository_def().get_all_jobs():
        for node in job.nodes:
            assert node.definition.retry_policy is None
            downloads = node.name.rpartition("__")[2] in ("raw_trips", "raw_zones", "raw_zone_shapes")
            assert node.definition.pool == ("tlc" if downloads else None)


def test_in_a_notebook_the_text_says_what_is_wrong() -> None:
    with pytest.raises(dg.RetryRequested, match="StoreUnavailable: the store at"), map_errors_to_failures():
        raise DOWN


def duckdb(folder: Path) -> DuckDBIOManager:
    return DuckDBIOManager(duckdb=DuckDBResource(database=str(folder / "warehouse.duckdb")), key_column="month")


def lake(folder: Path) -> LakeIOManager:
    return LakeIOManager(folder=str(folder / "lake"))


def failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_failed(run, "Run timed out due to taking longer than 180 seconds to start.")


def begun_all_the_same(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    failed(instance, run)
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(started, run.run_id)


def canceling(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_canceling(run)


@pytest.mark.parametrize("give_up", [failed, begun_all_the_same, canceling])
@pytest.mark.parametrize("output", [duckdb, lake])
def test_a_run_that_was_given_up_stores_nothing_more(
    instance: dg.DagsterInstance,
    tmp_path: Path,
    give_up: Callable[[dg.DagsterInstance, dg.DagsterRun], None],
    output: Callable[[Path], dg.ConfigurableIOManager],
) -> None:
    @dg.asset
    def table(context: dg.AssetExecutionContext) -> pa.Table:
        give_up(context.instance, context.run)
        return pa.table({"row": [1]})

    result = dg.materialize(
        [table], instance=instance, resources={"io_manager": output(tmp_path)}, raise_on_error=False
    )
    assert not result.success
    assert list(tmp_path.iterdir()) == []
    assert "this run is recorded as failed or canceled" in failed_steps(result.all_events)[0].what


def named_bodies() -> Iterator[tuple[str, str]]:
    """Each function that Dagster calls with a store at hand: its name and its source."""
    for path in sorted([*PACKAGE.glob("assets/*.py"), *PACKAGE.glob("checks/*.py"), *PACKAGE.glob("io_managers/*.py")]):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
                if (
                    "dg.asset" in decorators
                    or "dg.multi_asset" in decorators
                    or node.name in ("handle_output", "load_input")
                ):
                    yield f"{path.stem}.{node.name}", ast.unparse(node)


@pytest.mark.parametrize(("name", "source"), list(named_bodies()))
def test_every_body_that_can_meet_a_store_names_its_failures(name: str, source: str) -> None:
    touches_nothing = (
        "\n    return " in source and "with " not in source and "store" not in source.partition("return ")[2]
    )
    assert touches_nothing or any(one in source for one in ("map_errors_to_failures()", "store_output(", "load_slice("))
