"""`taxi explain`: one row of TLC's file, the rules that it broke, and where it is now."""

from taxi_assets.explain.document import as_json
from taxi_assets.explain.finding import Explanation, explain
from taxi_assets.explain.screen import print_explanation

__all__ = ["Explanation", "as_json", "explain", "print_explanation"]
