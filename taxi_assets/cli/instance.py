"""The Dagster instance that `taxi` records its runs in: the one that the UI and the daemon open."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import dagster as dg
from dagster._core.instance import InstanceRef
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from taxi_assets.automation.record_errors import record_failures
from taxi_assets.errors import InvalidRequest, StoreUnavailable
from taxi_assets.settings import Settings

LOCATION = "taxi_assets"
PACKAGE = files("taxi_assets.cli")  # with dagster.yaml and workspace.yaml
_REPOSITORY = "__repository__"  # Dagster's name for the repository that a `Definitions` makes
_FILE = "dagster.yaml"
_MARK = "# Written by taxi_assets, which replaces it when its own changes. Once edited, it stays as it is. sha256 "
_EARLIER = {  # sha256 of what earlier versions wrote, without a mark
    "773ee2d2c0ccc4d1e1058a93f86c4faed97d95ff8bd2210fe7fee28e955ef1a2",
    "797eaef61942f36cd03dec5434cc8a03b129d184f6b12572f61ce242be446ed1",
}

# What a run prints and logs goes to the terminal that it was started in; to keep what it prints as well takes Dagster
# four processes a run.
_OF_A_COMMAND: Mapping[str, Any] = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    },
    "python_logs": {},
}


class CommandInstance(dg.DagsterInstance):
    """Records runs of this process as runs of the code location that the UI has.

    Dagster records runs in process without one: the job's page leaves them out, and they cannot be executed again.
    """

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """Nothing beside what every instance takes."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, Any]:
        """What every instance has where dagster.yaml says nothing."""
        return InstanceRef.config_defaults(base_dir)

    def create_run_for_job(self, job_def: dg.JobDefinition, *arguments: Any, **named: Any) -> dg.DagsterRun:
        """The run; its record is without the loggers, since those of a terminal exist in this process only."""
        location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), _REPOSITORY)
        origin = location.get_job_origin(job_def.name)
        configuration = named.get("run_config") or {}
        recorded = {key: value for key, value in configuration.items() if key != "loggers"}
        named |= {"run_config": recorded, "remote_job_origin": origin}
        run = super().create_run_for_job(job_def, *arguments, **named)
        return run._replace(run_config=configuration)


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance in which runs are recorded; a folder that DAGSTER_HOME names is taken as it is.

    Raises:
        StoreUnavailable: the records cannot be made or opened; the text says what to do about it.
    """
    from taxi_assets.automation.instance_storage import made_once

    with record_failures(settings.dagster_home), _translated(settings), made_once(settings.dagster_home, "instance"):
        overrides: dict[str, Any] = {"instance_class": {"module": __name__, "class": CommandInstance.__name__}}
        if _is_own(settings):
            overrides |= _OF_A_COMMAND
        instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(settings.dagster_home), overrides=overrides))
    with record_failures(settings.dagster_home), instance:
        yield instance


def _is_own(settings: Settings) -> bool:
    """Whether the folder's dagster.yaml is the package's, which it is brought up to date to."""
    if not settings.dagster_home.is_relative_to(settings.home):
        return False
    file = settings.dagster_home / _FILE
    if file.exists() and not _is_unedited(file.read_text()):
        return False
    # With the folder's name in it: whoever opens the instance by its folder need not have our variables set.
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
    return _sha256(text) in _EARLIER or first == _MARK + _sha256(rest)


@contextmanager
def _translated(settings: Settings) -> Iterator[None]:
    """Say in a sentence why Dagster's records cannot be opened."""
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
