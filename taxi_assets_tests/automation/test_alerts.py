"""Alerts as a webhook receives them."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from taxi_assets.settings import Settings

from .world import World

RUNS, CHECKS = "run_failure_alert", "check_failure_alert"
SECRET = "s3cr et"  # noqa: S105 - not one


@dataclass
class Webhook:
    """What was posted, and whether it is up."""

    url: str = ""
    status: int = 200
    texts: list[str] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status == 200:
                hook.texts.append(body["text"])
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}/hooks/t0ken"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield hook
        server.shutdown()


@pytest.fixture
def alarmed(world: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with a webhook, and with a Postgres that does not answer and has a password."""
    variables = {
        "TAXI_HOME": str(world.settings.home),
        "TAXI_SOURCE": world.cdn.url,
        "TAXI_POSTGRES": f"postgresql://taxi:{SECRET.replace(' ', '%20')}@127.0.0.1:9/taxi",
        "TAXI_ALERT_WEBHOOK": webhook.url,
        "TAXI_UI_URL": "https://dagster.example.org/",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    world.settings = Settings.from_environment(variables)
    monkeypatch.setattr("taxi_assets.io_managers.slices.RETRIES", 0)
    for sensor in (RUNS, CHECKS):
        world.tick(sensor)
    return world


def test_a_failed_run_is_told_with_month_store_error_and_link(alarmed: World, webhook: Webhook) -> None:
    alarmed.publish("2026-08")
    run = alarmed.load("2026-08")
    assert not run.success
    assert alarmed.tick(RUNS) == ([], "1 alerts sent")
    [text] = webhook.texts
    first, *failed, link = text.splitlines()
    assert first == "*green_trips_job 2026-08*"
    told = ": StoreUnavailable: Postgres at 127.0.0.1, database taxi"
    assert sorted(line.partition(told)[:2] for line in failed) == [
        ("green_daily_trips", told),
        ("postgres/green_trips", told),
    ]
    assert link == f"<https://dagster.example.org/runs/{run.run_id}|open the run>"
    assert alarmed.tick(RUNS) == ([], "nothing failed")
    assert len(webhook.texts) == 1


def test_a_month_that_is_not_published_fails_and_is_told(alarmed: World, webhook: Webhook) -> None:
    alarmed.publish("2026-07")
    alarmed.load("2026-08")
    alarmed.tick(RUNS)
    assert "raw/green_trips: NotPublished: " in webhook.texts[0]


def test_a_failed_check_is_told_although_the_run_went_on(
    alarmed: World, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarmed.publish("2026-08")
    instance, key = alarmed.instance, dg.AssetKey(["postgres", "green_trips"])

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec("equals_clean", asset=key)])
    def table() -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        yield dg.Output(None)
        yield dg.AssetCheckResult(passed=False, metadata={"clean": 200, "loaded": 199})

    run = dg.materialize_to_memory([table], instance=instance, raise_on_error=False)
    assert alarmed.tick(CHECKS) == ([], "1 alerts sent")
    [text] = webhook.texts
    assert "postgres/green_trips: check equals_clean failed: clean 200, loaded 199" in text
    assert run.run_id in text


@pytest.mark.parametrize("status", [500, 404, 429])
def test_a_webhook_that_is_down_loses_no_alert(alarmed: World, webhook: Webhook, status: int) -> None:
    webhook.status = status
    alarmed.load("2026-08")
    for _ in range(2):
        assert alarmed.tick(RUNS) == (
            [],
            f"the webhook does not take alerts: {status}; what is left is told at the next tick",
        )
    webhook.status = 200
    alarmed.load("2026-07")
    assert alarmed.tick(RUNS) == ([], "2 alerts sent")
    assert ["2026-08" in webhook.texts[0], "2026-07" in webhook.texts[1]] == [True, True]


def test_no_secret_is_in_an_alert(alarmed: World, webhook: Webhook) -> None:
    leak = (
        f"could not connect to {alarmed.settings.postgres} as {SECRET}; told {webhook.url}; "
        "see https://me:hunter2@example.org/"
    )

    @dg.op
    def leaking() -> None:
        raise RuntimeError(leak)

    @dg.job
    def leaking_job() -> None:
        leaking()

    leaking_job.execute_in_process(instance=alarmed.instance, raise_on_error=False)
    alarmed.tick(RUNS)
    [text] = webhook.texts
    for secret in (SECRET, SECRET.replace(" ", "%20"), "t0ken", "hunter2"):
        assert secret not in text


def test_nothing_is_told_without_a_webhook(world: World) -> None:
    assert world.tick(RUNS) == ([], "TAXI_ALERT_WEBHOOK is not set")


def test_what_failed_before_the_sensor_began_is_history(alarmed: World, webhook: Webhook) -> None:
    alarmed.load("2026-08")
    alarmed.cursors.clear()
    assert alarmed.tick(RUNS) == ([], "alerts begin with what fails from now on")
    assert alarmed.tick(RUNS) == ([], "nothing failed")
    assert webhook.texts == []


def test_a_run_that_dagster_starts_again_by_itself_is_not_told(alarmed: World, webhook: Webhook) -> None:
    job = alarmed.definitions.resolve_job_def("green_trips_job")
    run = alarmed.instance.create_run_for_job(job, tags={"dagster/will_retry": "true"})
    alarmed.instance.report_run_failed(run)
    alarmed.tick(RUNS)
    assert webhook.texts == []
