"""Dagster's pools of the package: what they are for, and their rows in the instance's records.

A pool's limit comes from `dagster.yaml` (`concurrency.pools.default_limit`), or from the UI. Only downloads from the
source have a pool; the stores have locks of their own, which a killed process cannot keep.
"""

import dagster as dg

TLC = "tlc"  # streams from the source at a time, across all runs of the instance


def ensure_pool(instance: dg.DagsterInstance, pool: str) -> None:
    """Create the pool's row in the instance's records, so that no step has to.

    Two steps that claim a pool for the first time at once break each other in Dagster 1.13: the second one's INSERT
    fails, and with it the transaction in which it goes on (https://github.com/dagster-io/dagster/issues/33552). The
    same may happen here, and is harmless: no step waits for it, and the other process has created the row.
    """
    records = instance.event_log_storage
    if not records.supports_global_concurrency_limits or instance.global_op_concurrency_default_limit is None:
        return
    if pool in records.get_concurrency_keys():
        return
    try:
        records.initialize_concurrency_limit_to_default(pool)
    except Exception:
        if pool not in records.get_concurrency_keys():
            raise


def ensure_pools_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Create the rows of all pools of the run's steps, before it is launched: see `ensure_pool`."""
    for pool in () if run.run_op_concurrency is None else run.run_op_concurrency.all_pools or ():
        ensure_pool(instance, pool)


def free_slots_of_ended_runs(instance: dg.DagsterInstance) -> None:
    """Free the slots of runs that have ended, which a killed process leaves taken; without a daemon nothing else does.

    Slots of runs that the records no longer contain are freed as well.
    """
    records = instance.event_log_storage
    if not records.supports_global_concurrency_limits:
        return
    for run_id in records.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            records.free_concurrency_slots_for_run(run_id)
