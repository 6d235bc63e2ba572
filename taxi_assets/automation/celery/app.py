"""The Celery app that the launcher sends runs with and the workers take them with, so that both agree on the queue."""

from typing import Any

from celery import Celery
from dagster_celery.make_app import make_app

from taxi_assets.errors import InvalidRequest

QUEUE = "dagster"  # durable, with priorities from 0 to 10: dagster-celery declares it so
TASK = "taxi_assets.execute_run"
BROKER_FORMS = "amqp://user:password@host:5672/vhost, or amqps://…"
CONFIG: dict[str, Any] = {
    "task_ignore_result": True,  # Dagster's database records what became of a run
    # The broker gives a run that has not begun to another machine if this one is lost; one that has begun is ignored
    # there, and made again by Dagster.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,  # take no run that would wait behind another one
    "worker_proc_alive_timeout": 60,  # seconds for a process to come up, which on a busy machine takes more than four
    "worker_max_tasks_per_child": 1,  # one process a run, whose memory is given back
    # Its queue is the connection's own: a worker that returns before RabbitMQ misses its old connection would end with
    # RESOURCE_LOCKED. Nothing here asks workers anything: one that drains does not answer.
    "worker_enable_remote_control": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_redirect_stdouts": False,  # what a run prints is Dagster's to capture
    "broker_heartbeat": 30,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # a worker waits for its broker as long as it takes
    # A launch fails within seconds where the broker does not answer, and is complete when RabbitMQ has written it down.
    "broker_connection_timeout": 5,
    "broker_transport_options": {
        "confirm_publish": True,
        "max_retries": 3,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 0.5,
    },
}


OPTIONS: dict[str, Any] = {"backend": None, "include": [], "config_source": CONFIG}  # of the app, beside its broker


def run_app(broker: str | None) -> Celery:
    """The app for the broker of that URL; connects to nothing yet.

    Raises:
        InvalidRequest: the URL is missing or has another form.
    """
    return make_app({"broker": require_rabbitmq(broker), "task_default_queue": QUEUE, **OPTIONS})


def require_rabbitmq(broker: str | None) -> str:
    """The URL, if it is RabbitMQ's.

    Raises:
        InvalidRequest: it is missing, or another broker's; the text repeats no part of it.
    """
    if broker is None or not broker.startswith(("amqp://", "amqps://")):
        raise InvalidRequest(
            f"TAXI_CELERY_BROKER takes the URL of a RabbitMQ server: {BROKER_FORMS}. Redis is refused: it gives a run "
            "of more than an hour to a second worker, and loses queued runs with its memory"
        )
    return broker
