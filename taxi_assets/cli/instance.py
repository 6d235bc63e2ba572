"""The Dagster instance of `taxi`, shared with the UI and the daemon: its dagster.yaml, and how commands open it.

The storage classes that dagster.yaml names are in `automation.instance_storage`.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import dagster as dg

from taxi_assets.automation.dagster_internals import (
    NO_OP_COMPUTE_LOGS,
    InstanceRef,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from taxi_assets.automation.storage_errors import map_storage_errors
from taxi_assets.errors import InvalidRequest, StoreUnavailable
from taxi_assets.settings import Settings
from taxi_assets.settings.placement import require_reachable_stores

LOCATION = "taxi_assets"
PACKAGE = files("taxi_assets.cli")  # with dagster.yaml and workspace.yaml
_REPOSITORY = "__repository__"  # Dagster's name for the repository that a `Definitions` makes
_FILE = "dagster.yaml"
_MARK = "# Written by taxi_assets, which replaces it when its own changes. Once edited, it stays as it is. sha256 "
_UNMARKED_FILES = {  # sha256 of the dagster.yaml files that earlier versions wrote, without a mark
    "773ee2d2c0ccc4d1e1058a93f86c4faed97d95ff8bd2210fe7fee28e955ef1a2",
    "797eaef61942f36cd03dec5434cc8a03b129d184f6b12572f61ce242be446ed1",
}

# Output and logs of a run go to its terminal: capturing the output as well takes Dagster four processes a run.
_COMMAND_OVERRIDES: Mapping[str, Any] = {"compute_logs": NO_OP_COMPUTE_LOGS, "python_logs": {}}


class CommandInstance(dg.DagsterInstance):
    """Records runs of this process under the code location of the UI.

    Dagster records in-process runs without an origin: the job's page omits them, and they cannot be re-executed.
    """

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """No configuration of its own."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, Any]:
        """Dagster's defaults for settings that dagster.yaml omits."""
        return InstanceRef.config_defaults(base_dir)

    def create_run_for_job(self, job_def: dg.JobDefinition, *arguments: Any, **named: Any) -> dg.DagsterRun:
        """Create the run; its recorded config omits the loggers, as a terminal's logger exists in this process only."""
        location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), _REPOSITORY)
        origin = location.get_job_origin(job_def.name)
        configuration = named.get("run_config") or {}
        recorded = {key: value for key, value in configuration.items() if key != "loggers"}
        named |= {"run_config": recorded, "remote_job_origin": origin}
        run = super().create_run_for_job(job_def, *arguments, **named)
        return run._replace(run_config=configuration)


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance; a dagster.yaml in a folder that DAGSTER_HOME names is used unchanged.

    Raises:
        InvalidRequest: the instance starts runs on other machines, and a store is on this one's disk.
        StoreUnavailable: the instance's storage cannot be created or opened.
    """
    require_reachable_stores(settings)
    from taxi_assets.automation.instance_storage import create_exclusively

    folder = settings.dagster_home
    with map_storage_errors(folder), _open_errors_mapped(settings), create_exclusively(folder, "instance"):
        overrides: dict[str, Any] = {"instance_class": {"module": __name__, "class": CommandInstance.__name__}}
        if _is_own(settings):
            overrides |= _COMMAND_OVERRIDES
        instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(settings.dagster_home), overrides=overrides))
    with map_storage_errors(settings.dagster_home), instance:
        yield instance


def _is_own(settings: Settings) -> bool:
    """Whether the folder's dagster.yaml is the package's and unedited; it is then updated to the current one."""
    if not settings.dagster_home.is_relative_to(settings.home):
        return False
    file = settings.dagster_home / _FILE
    if file.exists() and not _is_unedited(file.read_text()):
        return False
    # It contains the folder, for programs that open the instance by its folder without the TAXI_ variables.
    named = json.dumps({"base_dir": str(settings.dagster_home)})
    packaged = PACKAGE.joinpath(_FILE).read_text().replace("config: {}", f"config: {named}")
    text = f"{_MARK}{_sha256(packaged)}\n{packaged}"
    if not file.exists() or file.read_text() != text:
        new = file.with_suffix(f".{os.getpid()}")
        new.write_text(text)
        new.replace(file)
    return True


def _is_unedited(text: str) -> bool:
    first, _, rest = text.partition("\n")
    return _sha256(text) in _UNMARKED_FILES or first == _MARK + _sha256(rest)


@contextmanager
def _open_errors_mapped(settings: Settings) -> Iterator[None]:
    """Map errors on opening the instance to one sentence with advice."""
    from alembic.util import CommandError

    folder = settings.dagster_home
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"Dagster's records cannot be kept in {folder}: {error.strerror or error}. "
            "TAXI_HOME names the folder for everything that has no other place: choose one that you may write to"
        ) from error
    except CommandError as error:
        raise StoreUnavailable(
            f"Dagster's records in {folder} were made by two programs at once and cannot be opened any more ({error}). "
            f"Remove {folder / 'history'} and {folder / 'schedules'}: they hold the history of runs only, "
            "and the tables and the lake stay as they are"
        ) from error
    except dg.DagsterInvalidConfigError as error:
        raise InvalidRequest(f"{folder / _FILE} is not a Dagster instance's: {error}") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
