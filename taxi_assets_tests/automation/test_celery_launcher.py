"""The Celery launcher without a broker: what it makes of runs, of settings, and of the files of deploy/celery."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus
from dagster._core.storage.dagster_run import RunOpConcurrency

from taxi_assets.automation.celery import launcher as launchers
from taxi_assets.automation.celery.app import CONFIG, QUEUE, run_app
from taxi_assets.automation.celery.launcher import CeleryRunLauncher
from taxi_assets.automation.celery.lease import lease, records_place
from taxi_assets.automation.dagster_internals import DagsterUserCodeUnreachableError
from taxi_assets.automation.run_worker import HOST, process_tags
from taxi_assets.errors import InvalidRequest
from taxi_assets.settings.fingerprint import differences, fingerprint
from taxi_assets_tests.servers.process import free_port
from taxi_assets_tests.stores.servers import new_database

DEPLOY = Path(__file__).parents[2] / "deploy"
STATUS = dg.DagsterRunStatus


@dg.job
def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def instance(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """The instance of deploy/celery, whose broker does not run."""
    folder = tmp_path_factory.mktemp("instance")
    settings = yaml.safe_load((DEPLOY / "celery" / "dagster.yaml").read_text())
    del settings["compute_logs"]  # there is no bucket here
    settings["concurrency"]["pools"] = {"default_limit": 4}
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_POSTGRES_URL", new_database(postgres_url).replace("postgresql:", "postgresql+psycopg2:"))
        patch.setenv("TAXI_CELERY_BROKER", f"amqp://guest:guest@127.0.0.1:{free_port()}//")
        patch.setenv("TAXI_SOURCE", "sample")
        with dg.DagsterInstance.from_config(str(folder)) as opened:
            yield opened


@pytest.fixture
def launcher(instance: dg.DagsterInstance) -> CeleryRunLauncher:
    assert isinstance(instance.run_launcher, CeleryRunLauncher)
    return instance.run_launcher


def test_the_instance_differs_from_that_of_one_machine_in_what_its_docs_say() -> None:
    one, many = (yaml.safe_load((DEPLOY / name).read_text()) for name in ("dagster.yaml", "celery/dagster.yaml"))
    different = {key for key in {*one, *many} if one.get(key) != many.get(key)}
    assert different == {"run_launcher", "run_monitoring", "concurrency"}
    assert one["run_retries"] == many["run_retries"]


def test_every_variable_of_the_workers_is_that_of_the_daemon() -> None:
    examples = [(DEPLOY / folder / "environment.example").read_text() for folder in ("", "celery")]
    one, many = ({line for line in text.splitlines() if "=" in line and line[0] != "#"} for text in examples)
    assert {line.partition("=")[0] for line in many - one} == {"TAXI_CELERY_BROKER"}


def test_a_run_without_a_lease_is_given_up_after_the_patience_and_not_before(
    instance: dg.DagsterInstance, launcher: CeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = instance.create_run_for_job(nothing, status=STATUS.STARTED)
    now = 1000.0
    monkeypatch.setattr(launchers.time, "monotonic", lambda: now)
    seen = []
    for moment, held in ((0, True), (300, False), (314, False), (320, True), (330, False), (345, False)):
        now = 1000.0 + moment
        if held:
            monkeypatch.setattr(launchers, "holder", lambda *_: "10.0.0.7")
        else:
            monkeypatch.setattr(launchers, "holder", lambda *_: None)
        seen.append(launcher.check_run_worker_health(run).status)
    # A database that was away between two looks does not count: the patience begins when the lease is seen free.
    assert seen == [WorkerStatus.RUNNING] * 5 + [WorkerStatus.NOT_FOUND]


def test_a_run_that_others_launched_is_looked_after_without_its_tag(
    instance: dg.DagsterInstance, launcher: CeleryRunLauncher
) -> None:
    own = instance.create_run_for_job(nothing, status=STATUS.STARTED, tags=process_tags())
    assert launcher.check_run_worker_health(own).status == WorkerStatus.RUNNING
    assert not launcher.terminate(own.run_id)
    dead = {**process_tags(), "taxi/process": "4194999 1.0"}
    lost = instance.create_run_for_job(nothing, status=STATUS.STARTED, tags=dead)
    assert launcher.check_run_worker_health(lost).status == WorkerStatus.NOT_FOUND
    elsewhere = instance.create_run_for_job(nothing, status=STATUS.STARTED, tags={**dead, HOST: "another"})
    assert launcher.check_run_worker_health(elsewhere).status == WorkerStatus.RUNNING
    untagged = instance.create_run_for_job(nothing, status=STATUS.STARTED)
    assert launcher.get_run_worker_debug_info(untagged) == "its lease is held from nowhere"
    assert not launcher.terminate("no such run")


def test_a_run_without_a_process_is_canceled_at_once_and_one_with_a_process_by_itself(
    instance: dg.DagsterInstance, launcher: CeleryRunLauncher
) -> None:
    waiting, working = (instance.create_run_for_job(nothing, status=STATUS.STARTED) for _ in range(2))
    assert launcher.terminate(waiting.run_id)
    assert instance.get_run_by_id(waiting.run_id).status == STATUS.CANCELED
    assert not launcher.terminate(waiting.run_id)
    with lease(instance, working.run_id):
        assert launcher.terminate(working.run_id)
    assert instance.get_run_by_id(working.run_id).status == STATUS.CANCELING


def test_a_broker_that_is_away_leaves_the_run_in_the_queue(
    instance: dg.DagsterInstance, launcher: CeleryRunLauncher
) -> None:
    run = instance.create_run_for_job(nothing, status=STATUS.STARTING)
    with pytest.raises(DagsterUserCodeUnreachableError):  # by which the daemon puts it back
        launcher.launch_run(LaunchRunContext(run, None))


def test_a_message_of_a_deleted_run_is_dropped_and_one_of_another_instance_is_given_back(
    instance: dg.DagsterInstance, launcher: CeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taxi_assets.automation.celery import worker

    monkeypatch.setenv("DAGSTER_HOME", instance.root_directory)
    monkeypatch.setattr(worker, "_SECONDS_BEFORE_GIVING_BACK", 0)
    run = instance.create_run_for_job(nothing, status=STATUS.STARTING)
    instance.delete_run(run.run_id)
    message = {"run_id": run.run_id, "records": records_place(instance), "stores": {}}
    assert worker.execute_run.apply(kwargs=message).state == "SUCCESS"
    elsewhere = worker.execute_run.apply(kwargs={**message, "records": "postgresql://elsewhere/dagster"})
    assert elsewhere.state == "REJECTED"
    assert elsewhere.result.requeue


def test_the_pools_of_a_run_exist_before_it_is_launched(
    instance: dg.DagsterInstance, launcher: CeleryRunLauncher
) -> None:
    run = instance.create_run_for_job(nothing, status=STATUS.STARTING)
    run = run._replace(
        run_op_concurrency=RunOpConcurrency(
            root_key_counts={}, has_unconstrained_root_nodes=False, all_pools={"source", "postgres"}
        )
    )
    for _ in range(2):
        with pytest.raises(DagsterUserCodeUnreachableError):
            launcher.launch_run(LaunchRunContext(run, None))
    assert {limit.name for limit in instance.event_log_storage.get_pool_limits()} == {"source", "postgres"}


@pytest.mark.parametrize(
    ("tags", "priority"),
    [({}, 5), ({"dagster/priority": "1"}, 6), ({"dagster/priority": "-99"}, 0), ({"dagster/priority": "high"}, 5)],
)
def test_the_broker_orders_runs_as_dagster_s_queue_does(tags: dict[str, str], priority: int) -> None:
    assert launchers._priority(dg.DagsterRun("nothing", tags=tags)) == priority


def test_the_queue_outlives_its_broker_and_a_message_its_worker() -> None:
    app = run_app("amqp://guest:guest@127.0.0.1//")
    [queue] = [one for one in app.conf.task_queues if one.name == QUEUE]
    assert (queue.durable, queue.queue_arguments) == (True, {"x-max-priority": 10})
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost) == (True, True)
    assert (app.conf.worker_max_tasks_per_child, app.conf.worker_prefetch_multiplier) == (1, 1)
    assert CONFIG["broker_transport_options"]["confirm_publish"]


@pytest.mark.parametrize("url", [None, "redis://10.0.0.5:6379/0", "10.0.0.5:5672"])
def test_another_broker_than_rabbitmq_is_refused(url: str | None) -> None:
    with pytest.raises(InvalidRequest, match="TAXI_CELERY_BROKER takes the URL of a RabbitMQ server") as refused:
        run_app(url)
    assert "10.0.0.5" not in str(refused.value)


HERE = {
    "TAXI_SOURCE": "https://reader:secret@mirror.example/tlc",
    "TAXI_LAKE": "gs://bucket/lake",
    "TAXI_POSTGRES": "postgres://taxi:secret@10.0.0.5/taxi?sslmode=require&password=secret",
    "TAXI_WAREHOUSE": "bigquery://project/taxi?location=US",
}


def test_the_fingerprint_of_the_stores_holds_no_secret() -> None:
    assert "secret" not in str(fingerprint(HERE))
    assert fingerprint(HERE)["TAXI_POSTGRES"] == "postgresql://10.0.0.5/taxi"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"TAXI_POSTGRES": "postgresql://taxi:other@10.0.0.5/taxi"}, set()),
        ({"TAXI_HOME": "/elsewhere", "TAXI_UI_URL": "https://ui.example"}, set()),
        ({"TAXI_POSTGRES": "postgresql://taxi:secret@10.0.0.5/other"}, {"TAXI_POSTGRES"}),
        ({"TAXI_LAKE": ""}, {"TAXI_LAKE"}),
        (
            {"TAXI_WAREHOUSE": "", "STORAGE_EMULATOR_HOST": "http://127.0.0.1"},
            {"TAXI_WAREHOUSE", "STORAGE_EMULATOR_HOST"},
        ),
    ],
)
def test_a_difference_of_the_stores_is_named_and_one_of_passwords_is_none(
    changed: dict[str, str], named: set[str]
) -> None:
    text = differences(fingerprint({**HERE, **changed}), fingerprint(HERE))
    assert {part.split()[0] for part in text.split("; ") if part} == named
