"""Whether the stores suit the place of the runs: stores on one machine's disk need the runs on that machine.

The instance's `dagster.yaml` names the run launcher. It is read as text: importing a launcher takes longer than loading
all definitions, and the code server of a fleet need not have the package installed. Stores are opened in `stores`.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import LAKE_FORMS, POSTGRES_FORMS, WAREHOUSE_FORMS, Settings
from taxi_assets.settings.places import Bucket, DuckDB, Embedded

# Dagster's default launcher and the package's own; both start each run as a process of the code server's machine.
_LOCAL_LAUNCHERS = {"DefaultRunLauncher", "LocalRunLauncher"}


def require_reachable_stores(settings: Settings) -> None:
    """Refuse stores on this machine's disk if the instance starts runs on other machines.

    Such a run would load its month to the disk of a host or a container, and report success.

    Raises:
        InvalidRequest: names the variables to set, and their forms.
    """
    launcher = remote_launcher(settings.dagster_home)
    if launcher is None:
        return
    wanted = {}
    if not isinstance(settings.lake, Bucket):
        wanted["TAXI_LAKE"] = LAKE_FORMS.partition(",")[0]
    if isinstance(settings.postgres, Embedded):
        wanted["TAXI_POSTGRES"] = POSTGRES_FORMS.partition(",")[0]
    if isinstance(settings.warehouse, DuckDB):
        wanted["TAXI_WAREHOUSE"] = WAREHOUSE_FORMS.partition(",")[0]
    if wanted:
        forms = "; ".join(f"{variable} to {form}" for variable, form in wanted.items())
        raise InvalidRequest(
            f"{settings.dagster_home / 'dagster.yaml'} starts runs by {launcher}, on hosts that share no disk, so a"
            " folder, the embedded PostgreSQL server and a DuckDB file cannot hold the data. "
            f"Set {forms}; on every host alike"
        )


def remote_launcher(dagster_home: Path) -> str | None:
    """The class name of the instance's run launcher if that starts runs on other machines or in containers.

    None as well without a readable `dagster.yaml`: Dagster itself reports what is wrong with it.
    """
    import yaml

    configuration: Any = None
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        configuration = yaml.safe_load((dagster_home / "dagster.yaml").read_text(encoding="utf-8"))
    launcher = configuration.get("run_launcher") if isinstance(configuration, dict) else None
    name = launcher.get("class") if isinstance(launcher, dict) else None
    return None if name is None or name in _LOCAL_LAUNCHERS else str(name)
