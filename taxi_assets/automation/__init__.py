"""Automation: publication sensors, the catch-up, zone and housekeeping schedules, alerts, and missed retries."""

from taxi_assets.automation.alerts import alert_sensors
from taxi_assets.automation.catch_up import catch_up_job, catch_up_schedule, zones_schedule
from taxi_assets.automation.following import automation_condition_sensor
from taxi_assets.automation.forked_runs import fork_runs
from taxi_assets.automation.housekeeping import housekeeping_job, housekeeping_schedule
from taxi_assets.automation.missed_retries import missed_retries_sensor
from taxi_assets.automation.new_files import publication_sensor

__all__ = [
    "alert_sensors",
    "automation_condition_sensor",
    "catch_up_job",
    "catch_up_schedule",
    "fork_runs",
    "housekeeping_job",
    "housekeeping_schedule",
    "missed_retries_sensor",
    "publication_sensor",
    "zones_schedule",
]
