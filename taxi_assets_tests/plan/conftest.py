"""The worlds of `taxi status`, which `taxi plan` looks at too."""

from taxi_assets_tests.status.conftest import gap, world

__all__ = ["gap", "world"]
