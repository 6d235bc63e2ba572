"""Tests of taxi_assets.cleaning, with real Parquet files and against a second implementation of the rules."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.agreement")
