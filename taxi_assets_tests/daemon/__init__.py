"""Backfills through the real webserver, daemon and code server, whose processes are killed on the way.

`python -m taxi_assets_tests.daemon --months 24` makes a large one and tells how long it took.
"""
