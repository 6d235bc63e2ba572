"""Load jobs that run once, also where an answer of the service is lost.

A job's id is derived from its destination, its rows and the state of the table before it. A retry while the first job
runs, in the same process or in the one after a killed one, therefore finds that job instead of starting a second one.
"""

import hashlib
import re
import time
from collections.abc import Callable
from itertools import count
from typing import cast

from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound
from google.api_core.retry import Retry, if_exception_type
from google.cloud.bigquery import Client, LoadJob

from taxi_assets.stores.google_errors import TRANSIENT_REASONS

_FAILED_JOBS = 3  # after which a transient reason is final
_LONGEST_PAUSE = 5.0  # seconds between two polls of a job


class Loader:
    """Starts load jobs and waits for them.

    Both loops stay loops: each attempt has a job id of its own, and those of an earlier run are skipped, not retried.

    Args:
        client: of the project that is billed.
        retry: how a single request is retried.
        timeout: seconds that a single request may take.
    """

    def __init__(self, client: Client, retry: Retry, timeout: float) -> None:
        self._client = client
        self._retry = retry
        self._timeout = timeout

    def load(self, job_name: str, location: str | None, start: Callable[[str], LoadJob]) -> LoadJob:
        """The finished job of that name; `start` is called with an id for it unless one is running.

        Raises:
            GoogleAPICallError: the job failed.
        """
        failed = 0
        for number in count():
            job_id = f"{job_name}_{number}"
            job = self._job(job_id, location)
            if job is not None and job.done(retry=self._retry, timeout=self._timeout):
                continue  # of an earlier run, since which the table may have been changed by hand
            try:
                return self._finished(job or self._started(job_id, location, start))
            except GoogleAPICallError as error:
                failed += 1
                if error.errors and failed < _FAILED_JOBS and _is_transient(error):
                    continue
                raise
        raise AssertionError("unreachable")

    def load_once(self, job_name: str, location: str | None, start: Callable[[str], LoadJob]) -> LoadJob:
        """The finished job of that name; `start` is called with an id for it, and a successful job never runs again.

        Raises:
            GoogleAPICallError: the job failed.
        """
        for number in range(_FAILED_JOBS):
            try:
                return self._finished(self._started(f"{job_name}_{number}", location, start))
            except GoogleAPICallError as error:
                if number + 1 == _FAILED_JOBS or not (error.errors and _is_transient(error)):
                    raise
        raise AssertionError("unreachable")

    def _started(self, job_id: str, location: str | None, start: Callable[[str], LoadJob]) -> LoadJob:
        try:
            return start(job_id)
        except Conflict:
            # A request whose answer was lost started it, or another process with the same rows. It may not be found at
            # once: https://github.com/googleapis/python-bigquery/issues/2134
            found = Retry(predicate=if_exception_type(NotFound), timeout=self._timeout)(self._client.get_job)
            return cast("LoadJob", found(job_id, location=location, retry=self._retry, timeout=self._timeout))

    def _finished(self, job: LoadJob) -> LoadJob:
        pause = 0.1
        while not job.done(retry=self._retry, timeout=self._timeout):
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        job.result(retry=self._retry, timeout=self._timeout)
        return job

    def _job(self, job_id: str, location: str | None) -> LoadJob | None:
        try:
            job = self._client.get_job(job_id, location=location, retry=self._retry, timeout=self._timeout)
            return cast("LoadJob", job)
        except NotFound:
            return None


def job_name(destination: str, *identity: str) -> str:
    """The prefix of a job's id: readable, and different for different rows."""
    digest = hashlib.sha256("\n".join([destination, *identity]).encode()).hexdigest()[:24]
    return f"taxi_{re.sub(r'[^A-Za-z0-9]', '_', destination)[-200:]}_{digest}"


def _is_transient(error: GoogleAPICallError) -> bool:
    reasons = {detail.get("reason") for detail in error.errors if isinstance(detail, dict)}
    return bool(TRANSIENT_REASONS & reasons)
