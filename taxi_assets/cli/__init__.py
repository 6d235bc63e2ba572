"""The `taxi` command and its subcommands: composes definitions, instance and stores, and prints results."""

import sys

from taxi_assets.extras import require

try:
    require("taxi", "the command taxi")
except ModuleNotFoundError as missing:
    sys.exit(str(missing))
