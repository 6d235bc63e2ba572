"""Tests of taxi_assets.sample: every era's form, and that the dirt is what `expected_defects` says."""
