"""Creates the pools of a run before it is launched, so that no two runs create one at once.

The first step that claims a slot of a new pool creates it. Where two do so at once in Postgres, one of them fails:
dagster-io/dagster#33552.
"""

import threading

import dagster as dg

_CREATE = threading.Lock()  # the daemon launches runs in several threads


def create_pools(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Create the pools of the run's steps that do not exist yet, with the default limit of `dagster.yaml`."""
    wanted = set() if run.run_op_concurrency is None else set(run.run_op_concurrency.all_pools or ())
    if not wanted:
        return
    storage = instance.event_log_storage
    with _CREATE:
        for pool in sorted(wanted - {limit.name for limit in storage.get_pool_limits()}):
            storage.initialize_concurrency_limit_to_default(pool)
