"""`taxi dev`: starts the Dagster UI and the daemon on the instance of `taxi`, from a clone or an installed package."""

import logging
import os
import signal
import socket
import sys
import warnings
from importlib.resources import as_file
from typing import NoReturn

import dagster as dg
from fasteners import InterProcessLock

from taxi_assets.cli.instance import PACKAGE, instance_of
from taxi_assets.errors import InvalidRequest, TaxiError
from taxi_assets.settings import Settings

HOST = "127.0.0.1"
# Seconds between two rounds of daemons that dagster.yaml cannot set, and that would run every 30 and 5 seconds: they
# took a sixth of the daemon's CPU time at rest. What is late is so by days; a killed run is made again a little later.
DAEMON_SECONDS = {
    "FRESHNESS_DAEMON_INTERVAL_SECONDS": "600",
    "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "15",
}


def exec_server(settings: Settings, port: int) -> NoReturn:
    """Replace this process by `serve`: Dagster stops its child processes only if signals reach its main thread.

    Raises:
        InvalidRequest: something listens on the port.
        StoreUnavailable: the Dagster instance cannot be created or opened.
    """
    _require_free(port)
    with instance_of(settings):
        pass  # creates the storage before several processes open it at once
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", __name__, str(port)])  # noqa: S606 - this module itself


def serve(settings: Settings, port: int) -> None:
    """Start the webserver and the daemon, and stop them on SIGINT or SIGTERM.

    The environment must set DAGSTER_HOME to the instance's folder, which the child processes read.

    Raises:
        InvalidRequest: another `taxi dev` runs on the instance.
    """
    only_one = InterProcessLock(settings.dagster_home / ".dev.lock")
    if not only_one.acquire(blocking=False):
        raise InvalidRequest(
            f"`taxi dev` runs already on {settings.dagster_home}: a second daemon would start every run twice. "
            "Stop that one, or set TAXI_HOME to another folder"
        )
    try:
        _start(port)
    finally:
        only_one.release()


def _start(port: int) -> None:
    from taxi_assets.automation.dagster_internals import dev_command

    # A shell starts background jobs with SIGINT ignored; Dagster handles SIGTERM like SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.filterwarnings("ignore", category=dg.SupersessionWarning)
    logging.getLogger("dagster").addFilter(lambda record: "dagster instance configuration value" not in record.msg)
    with as_file(PACKAGE.joinpath("workspace.yaml")) as workspace:
        dev_command()(["--host", HOST, "--port", str(port), "--workspace", str(workspace)], standalone_mode=False)


def _require_free(port: int) -> None:
    with socket.socket() as asked:
        asked.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the webserver does: a port in TIME_WAIT is free
        try:
            asked.bind((HOST, port))
        except OSError as error:
            raise InvalidRequest(
                f"port {port} of {HOST} cannot be used: {error.strerror}. If that is another `taxi dev`, "
                f"open http://{HOST}:{port}; otherwise choose another port: taxi dev --port 3001"
            ) from error


if __name__ == "__main__":
    try:
        serve(Settings.from_environment(), int(sys.argv[1]))
    except TaxiError as error:
        sys.exit(f"Error: {error}")
