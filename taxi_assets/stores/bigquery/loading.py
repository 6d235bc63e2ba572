"""Load jobs that are made once, however often their answer gets lost.

A job's id is made from where it loads to, what it loads and how the table was before. Whoever tries again while the
first job runs, in this process or in the one that follows a killed one, therefore finds that job instead of making
a second one.
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

from taxi_assets.stores.google_errors import PASSING_REASONS

_FAILED_JOBS = 3  # that ended with a reason which passes by itself
_LONGEST_PAUSE = 5.0  # seconds between two looks at a job


class Loader:
    """Makes load jobs and waits for them.

    Args:
        client: of the project that is billed.
        retry: how single requests are tried again.
        timeout: seconds that a single request may take.
    """

    def __init__(self, client: Client, retry: Retry, timeout: float) -> None:
        self._client = client
        self._retry = retry
        self._timeout = timeout

    def load(self, job_name: str, location: str | None, start: Callable[[str], LoadJob]) -> LoadJob:
        """Wait for the job of that name, which `start` is asked to make under an id unless it is there.

        Raises:
            GoogleAPICallError: the job failed.
        """
        failed = 0
        for number in count():
            job_id = f"{job_name}_{number}"
            job = self._job(job_id, location)
            if job is not None and job.done(retry=self._retry, timeout=self._timeout):
                continue  # of an earlier run; the table may have been changed by hand since
            try:
                return self._finished(job or self._started(job_id, location, start))
            except GoogleAPICallError as error:
                failed += 1
                if error.errors and failed < _FAILED_JOBS and _passes(error):
                    continue
                raise
        raise AssertionError("unreachable")

    def load_once(self, job_name: str, location: str | None, start: Callable[[str], LoadJob]) -> LoadJob:
        """Wait for the job of that name, which `start` is asked to make; one that ended well is never made again.

        Raises:
            GoogleAPICallError: the job failed.
        """
        for number in range(_FAILED_JOBS):
            try:
                return self._finished(self._started(f"{job_name}_{number}", location, start))
            except GoogleAPICallError as error:
                if number + 1 == _FAILED_JOBS or not (error.errors and _passes(error)):
                    raise
        raise AssertionError("unreachable")

    def _started(self, job_id: str, location: str | None, start: Callable[[str], LoadJob]) -> LoadJob:
        try:
            return start(job_id)
        except Conflict:
            # It was made by a request whose answer got lost, or by somebody with the same rows; and may not be found at
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
    """The beginning of a job's id: readable, and different for different rows."""
    digest = hashlib.sha256("\n".join([destination, *identity]).encode()).hexdigest()[:24]
    return f"taxi_{re.sub(r'[^A-Za-z0-9]', '_', destination)[-200:]}_{digest}"


def _passes(error: GoogleAPICallError) -> bool:
    return bool(PASSING_REASONS & {told.get("reason") for told in error.errors if isinstance(told, dict)})
