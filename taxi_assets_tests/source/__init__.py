"""Tests of taxi_assets.source, against a real HTTP server on this machine."""
