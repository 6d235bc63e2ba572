import pytest

from .campaign import embedded, remote

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


@pytest.mark.parametrize("stores", [embedded, remote])
def test_a_run_that_is_killed_leaves_whole_months_and_nothing_for_the_next_one_to_trip_over(stores) -> None:
    with stores(seed=1) as campaign:
        for _ in range(2):
            campaign.kill_once()
    assert campaign.report.faults == []
