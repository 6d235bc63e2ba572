"""Runs on several machines, placed by Celery and RabbitMQ: `launcher` in the daemon, `worker` on each machine.

Needs the extra `celery`; nothing here is imported where `dagster.yaml` has another launcher. Assets do not belong here:
a run is the same whatever placed it.
"""
