"""`taxi explain`: looks up one source row, the rules that it broke, and where it is stored."""

from taxi_assets.cli.explain.as_json import as_json
from taxi_assets.cli.explain.lookup import Explanation, explain
from taxi_assets.cli.explain.render import print_explanation

__all__ = ["Explanation", "as_json", "explain", "print_explanation"]
