"""Alert sensors: each sends what went wrong, or is late, to a Slack-compatible webhook, one message each.

How a message reaches the webhook, and how none is lost, is in `delivery`; each other module finds one kind of trouble
and words its alert. Sending is `resources.webhook`.
"""

import dagster as dg

from taxi_assets.automation.alerts import failed_backfills, failed_runs, failing_ticks, stale_assets


def alert_sensors() -> list[dg.SensorDefinition]:
    """The sensors, one for each kind of trouble."""
    return [
        *failed_runs.sensors(),
        failed_backfills.sensor(),
        failing_ticks.sensor(),
        stale_assets.sensor(),
    ]


__all__ = ["alert_sensors"]
