"""Faults of HTTP, done to every request of a replace in turn: once, so that trying again helps, and for good."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets_tests.servers.bigquery import BigQueryServer
from taxi_assets_tests.servers.gcs import GcsServer

from . import matrix, subjects
from .proxies import Exchange, Fault, HttpProxy
from .recording import Tell
from .subjects import HttpSubject, Make

pytestmark = pytest.mark.faults

Choose = Callable[[list[str]], Sequence[int]]

# Seconds to go on asking, and to wait for one answer; on a busy machine a server takes ten to start.
PATIENT = (120, 30)
SOON_GIVES_UP = (0.1, 30)
WAITS_BRIEFLY = (40, 1)
GIVES_UP_SILENCE = (2, 2)


def answering(status: int, reason: str, headers: Mapping[str, str] = {}) -> Fault:
    """The answer that Google's services give with that status."""
    error = {"code": status, "message": reason, "errors": [{"reason": reason, "message": reason}]}
    body = json.dumps({"error": error}).encode()
    return lambda exchange: exchange.answer(status, {"Content-Type": "application/json", **headers}, body)


def answering_with_a_page(status: int) -> Fault:
    """The answer of the machines in front of Google's services."""
    return lambda exchange: exchange.answer(status, {"Content-Type": "text/html"}, b"<html>That's an error.</html>")


FAULTS: dict[str, Fault] = {
    matrix.RESET: Exchange.reset,
    matrix.SILENT: Exchange.stay_silent,
    matrix.TOO_MANY: answering(429, "rateLimitExceeded"),
    matrix.BROKEN: answering(500, "backendError"),
    matrix.UNAVAILABLE: answering_with_a_page(503),
    matrix.COME_BACK_LATER: answering(503, "backendError", {"Retry-After": "1"}),
    matrix.ANSWER_LOST: Exchange.lose_answer,
}


def all_of(requests: list[str]) -> Sequence[int]:
    return range(len(requests))


def those_that_write(requests: list[str]) -> Sequence[int]:
    return [number for number, request in enumerate(requests) if not request.startswith("GET")]


def the_first_that_writes(requests: list[str]) -> Sequence[int]:
    return those_that_write(requests)[:1]


def one_request_fails(subject: HttpSubject, fault: Fault, chosen: Choose = all_of) -> int:
    """Replace with the fault at one request, then at another, and so on, and return how many there were."""
    subject.replace(0)
    requests = subject.requests_of_a_replace(1)
    numbers = chosen(requests)
    for number in numbers:
        subject.proxy.fail(fault, at=number)
        subject.replace(number + 2)
        assert len(subject.proxy.requests) > len(requests)
        subject.proxy.forget()
        assert subject.version() == number + 2
    return len(numbers)


def requests_fail_from_one_on(
    subject: HttpSubject, fault: Fault, chosen: Choose = all_of, recover: Callable[[], object] = lambda: None
) -> Counter[tuple[type[StoreError], str]]:
    """Replace with the fault from one request on, and then without it; count what became of the month."""
    subject.replace(0)
    version = 1
    outcomes: Counter[tuple[type[StoreError], str]] = Counter()
    for number in chosen(subject.requests_of_a_replace(version)):
        subject.proxy.fail(fault, at=number, for_good=True)
        error = subject.failure_of_a_replace(version + 1)
        assert len(subject.proxy.requests) > number
        subject.proxy.forget()
        recover()
        outcomes[type(error), subject.outcome(error, version, version + 1)] += 1
        version += 2
        subject.replace(version)
    assert subject.version() == version
    return outcomes


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_got_over(fault: str, make: Make, told: Tell) -> None:
    subject = make(*(WAITS_BRIEFLY if fault == matrix.SILENT else PATIENT))
    tries = one_request_fails(subject, FAULTS[fault])
    told(fault, subject.name, "new month after a retry", tries)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_makes_the_store_unavailable(fault: str, make: Make, told: Tell) -> None:
    subject = make(*(GIVES_UP_SILENCE if fault == matrix.SILENT else SOON_GIVES_UP))
    for (kind, outcome), tries in requests_fail_from_one_on(subject, FAULTS[fault]).items():
        assert kind is StoreUnavailable
        told(fault, subject.name, outcome, tries)


def test_a_server_that_is_killed_and_comes_back_is_waited_for(
    make: Make, server: GcsServer | BigQueryServer, told: Tell
) -> None:
    def kill_and_restart(exchange: Exchange) -> None:
        with suppress(OSError, HTTPException):
            exchange.do_upstream(meanwhile=server.kill)
        server.restart()
        exchange.reset()

    subject = make(*PATIENT)
    tries = one_request_fails(subject, kill_and_restart, those_that_write)
    told(matrix.SERVER_RESTARTED, subject.name, "new month after a retry", tries)


def test_a_server_that_is_killed_and_stays_away_is_unavailable(
    make: Make, server: GcsServer | BigQueryServer, told: Tell
) -> None:
    def kill(exchange: Exchange) -> None:
        with suppress(OSError, HTTPException):
            exchange.do_upstream(meanwhile=server.kill)
        exchange.reset()

    subject = make(*SOON_GIVES_UP)
    outcomes = requests_fail_from_one_on(subject, kill, the_first_that_writes, recover=server.restart)
    for (kind, outcome), tries in outcomes.items():
        assert kind is StoreUnavailable
        told(matrix.SERVER_GONE, subject.name, outcome, tries)


def test_a_service_that_forbids_is_an_error_that_names_the_role(make: Make, told: Tell) -> None:
    subject = make(*PATIENT)
    forbidden = answering(403, "forbidden")
    for (kind, outcome), tries in requests_fail_from_one_on(subject, forbidden).items():
        assert kind is StoreError
        told(matrix.FORBIDDEN, subject.name, outcome, tries)
    subject.proxy.fail(forbidden, at=0)
    assert "requires the role roles/" in str(subject.failure_of_a_replace(0))
    assert len(subject.proxy.requests) == 1


def test_an_object_that_is_damaged_on_the_way_is_not_taken(gcs_proxy: HttpProxy, tmp_path: Path) -> None:
    lake = subjects.gcs_at_once(gcs_proxy.url, tmp_path, patience=10)
    lake.replace(1)
    gcs_proxy.forget()
    assert lake.version() == 1
    gcs_proxy.fail(Exchange.damage_answer, at=len(gcs_proxy.requests) - 1)
    with pytest.raises(StoreUnavailable, match="damaged on the way"):
        lake.version()
