"""The sensor that evaluates the automation conditions of assets: it re-materializes what follows a clean partition.

The conditions themselves are the assets': `assets.monthly_trips.follow_clean`.
"""

import dagster as dg

SECONDS_BETWEEN_TICKS = 600


def automation_condition_sensor() -> dg.SensorDefinition:
    """The sensor that Dagster would define itself, under the same name, at a twentieth of its cost at rest.

    An evaluation of all assets takes a third of a second of the daemon's CPU time, and Dagster does one every 30
    seconds.
    """
    return dg.AutomationConditionSensorDefinition(
        "default_automation_condition_sensor",
        target=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Re-materializes a table or page whose clean partition was re-materialized without it.",
    )
