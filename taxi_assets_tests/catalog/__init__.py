"""Tests of taxi_assets.catalog and of the months that it is written in."""
