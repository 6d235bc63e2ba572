"""Read by each Python that has this folder and the project's in PYTHONPATH."""

from taxi_assets_tests.garbage import collect_seldom

collect_seldom()
