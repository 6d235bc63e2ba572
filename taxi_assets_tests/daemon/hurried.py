"""The project's definitions with sensors that tick every other second: nobody waits ten minutes for a test."""

from taxi_assets.automation import new_files
from taxi_assets.automation.alerts import delivery

new_files.SECONDS_BETWEEN_TICKS = 2
delivery.SECONDS_BETWEEN_TICKS = 2

from taxi_assets import definitions  # noqa: E402 - built from what was just said
from taxi_assets.settings import Settings  # noqa: E402

defs = definitions.build_definitions(Settings.from_environment())
