"""`taxi status`: datasets x months x stores, from the stores' catalogues and Dagster's records; no table is scanned.

`states` defines the states, `history` reads the Dagster instance, `collect` queries stores and source in parallel,
`problems` derives the next commands; `render` and `as_json` print.
"""

from taxi_assets.cli.status.as_json import as_json
from taxi_assets.cli.status.collect import read_status
from taxi_assets.cli.status.render import print_status
from taxi_assets.cli.status.states import STORES, State, Status, StatusFilter

__all__ = ["STORES", "State", "Status", "StatusFilter", "as_json", "print_status", "read_status"]
