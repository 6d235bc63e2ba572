"""Tests of taxi_assets.sample: every era's form, and the number of defects that `expected_defects` returns."""
