"""`taxi status`: datasets x months x stores, from the stores' catalogues and Dagster's records; no table is scanned.

`states` says what a state is, `history` what Dagster's records tell, `asking` asks everybody at once, `problems` says
what to do next; `screen` and `document` show it.
"""

from taxi_assets.cli.status.as_json import as_json
from taxi_assets.cli.status.collect import read_status
from taxi_assets.cli.status.render import print_status
from taxi_assets.cli.status.states import STORES, Shown, State, Status

__all__ = ["STORES", "Shown", "State", "Status", "as_json", "print_status", "read_status"]
