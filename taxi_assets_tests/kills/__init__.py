"""Whole runs, killed at random times, and what the next run makes of what they leave.

`python -m taxi_assets_tests.kills --kills 300` is the campaign behind the numbers in docs/reliability.md.
"""
