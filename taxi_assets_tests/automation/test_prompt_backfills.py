import logging
import threading
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._daemon import daemon

from taxi_assets.automation.prompt_backfills import SECONDS, look_for_backfills_often


class Ended(threading.Event):
    """Notes how long it would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        return True


def test_the_daemon_looks_for_backfills_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "execute_backfill_iteration_loop", daemon.execute_backfill_iteration_loop)
    look_for_backfills_often()
    ended = Ended()
    with dg.DagsterInstance.ephemeral() as instance:
        looks = daemon.execute_backfill_iteration_loop(
            SimpleNamespace(instance=instance), logging.getLogger(), ended, threadpool_executor=None
        )
        for _ in range(20):
            next(looks)
    assert len(ended.waits) > 2
    assert set(ended.waits) == {SECONDS}
