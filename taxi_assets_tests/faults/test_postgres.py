"""Faults between a client and PostgreSQL, at every piece that the client sends, and of the server itself."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from taxi_assets.errors import StoreError, StoreUnavailable
from taxi_assets.stores.postgres import connection
from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets.stores.postgres.store import PostgresStore
from taxi_assets.stores.rows import Rows
from taxi_assets_tests.stores.contract import MONTH_COLUMN
from taxi_assets_tests.stores.servers import folder_for_server, kill_server
from taxi_assets_tests.stores.versions import rows_of

from . import matrix
from .postgres_proxy import PostgresProxy, Talk, postgres_proxy
from .recording import Tell
from .subjects import Subject

pytestmark = pytest.mark.faults

FEW_ROWS = 2_000
MORE_THAN_ANY_BUFFER = 300_000  # rows
KILLS = 5


def socket_of(url: str) -> Path:
    """Where the embedded server listens."""
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[PostgresProxy]:
    with postgres_proxy(socket_of(postgres_url)) as proxy:
        yield proxy


@pytest.fixture
def own_server() -> Iterator[Path]:
    """The folder of a server of the test's own."""
    with folder_for_server() as folder:
        yield folder


def postgres_behind(proxy: PostgresProxy, schema: str) -> Subject:
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable&gssencmode=disable"
    store = PostgresStore(url, schema, MONTH_COLUMN)
    return Subject(name="Postgres", store=store, rows=partial(rows_of, rows=FEW_ROWS), count=FEW_ROWS)


def moments_of_a_replace(subject: Subject, proxy: PostgresProxy, version: int) -> list[int]:
    """Replace without a fault, and tell where each piece that the client sends begins."""
    proxy.forget()
    subject.replace(version)
    return proxy.moments


def fails_and_recovers(subject: Subject, version: int, recover: Callable[[], object]) -> str:
    """Replace the version, which must fail, and again when the fault is gone; tell what became of the month."""
    error = subject.failure_of_a_replace(version + 1)
    assert isinstance(error, StoreUnavailable)
    recover()
    outcome = subject.outcome(error, version, version + 1)
    subject.replace(version + 2)
    assert subject.version() == version + 2
    return outcome


def tell_all(told: Tell, fault: str, outcomes: Counter[str]) -> None:
    for outcome, tries in outcomes.items():
        told(fault, "Postgres", outcome, tries)


def test_a_connection_that_breaks_leaves_the_month(proxy: PostgresProxy, tmp_path: Path, told: Tell) -> None:
    subject = postgres_behind(proxy, tmp_path.name)
    subject.replace(0)
    outcomes: Counter[str] = Counter()
    for number, moment in enumerate(moments_of_a_replace(subject, proxy, 0)):
        proxy.fail(Talk.break_off, at=moment)
        outcomes[fails_and_recovers(subject, 2 * number, proxy.forget)] += 1
    assert list(outcomes) == ["StoreUnavailable, old month"]
    tell_all(told, matrix.RESET, outcomes)


def test_an_answer_to_a_commit_that_is_lost_leaves_a_month_whole(
    proxy: PostgresProxy, tmp_path: Path, told: Tell
) -> None:
    subject = postgres_behind(proxy, tmp_path.name)
    subject.replace(0)
    moments_of_a_replace(subject, proxy, 0)
    outcomes: Counter[str] = Counter()
    for number in range(proxy.commits):
        proxy.fail_after_commit(Talk.lose_answer, number)
        outcomes[fails_and_recovers(subject, 2 * number, proxy.forget)] += 1
    assert outcomes["StoreUnavailable, new month"] == 1
    tell_all(told, matrix.ANSWER_LOST, outcomes)


@pytest.mark.parametrize("moment", [0, 100_000], ids=["connecting", "copying"])
def test_a_server_that_never_answers_is_given_up(
    proxy: PostgresProxy, tmp_path: Path, told: Tell, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    def many_for_the_first_version(version: int) -> Rows:
        return rows_of(version, MORE_THAN_ANY_BUFFER if version == 1 else FEW_ROWS)

    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_SECONDS", 2)
    monkeypatch.setitem(connection._DEAD_PEER_DETECTION, "tcp_user_timeout", 1_000)
    subject = replace(postgres_behind(proxy, tmp_path.name), rows=many_for_the_first_version)
    subject.replace(0)
    proxy.fail(Talk.fall_silent, at=moment)
    told(matrix.SILENT, "Postgres", fails_and_recovers(subject, 0, proxy.forget), 1)


def test_a_server_that_is_killed_keeps_the_month(own_server: Path, told: Tell) -> None:
    with postgres_proxy(socket_of(embedded_url(own_server))) as proxy:
        subject = postgres_behind(proxy, "killed")
        subject.replace(0)
        moments = moments_of_a_replace(subject, proxy, 0)
        for number, moment in enumerate(moments[:: ceil(len(moments) / KILLS)]):
            proxy.fail(lambda _: kill_server(own_server), at=moment)
            error = subject.failure_of_a_replace(2 * number + 1)
            proxy.forget()
            assert isinstance(error, StoreUnavailable)
            outcome = fails_and_recovers(subject, 2 * number, lambda: embedded_url(own_server))
            told(matrix.SERVER_RESTARTED, "Postgres", outcome, 1)
            told(matrix.SERVER_GONE, "Postgres", outcome, 1)


def test_a_role_without_rights_is_refused(postgres_url: str, tmp_path: Path, told: Tell) -> None:
    subject = Subject(name="Postgres", store=PostgresStore(postgres_url, tmp_path.name, MONTH_COLUMN))
    subject.replace(0)
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE faults_reader LOGIN")
        url = postgres_url.replace("postgres@", "faults_reader@")
        reader = replace(subject, store=PostgresStore(url, tmp_path.name, MONTH_COLUMN))
        error = reader.failure_of_a_replace(1)
        owner.execute("DROP ROLE faults_reader")
    assert type(error) is StoreError
    assert "permission denied" in str(error)
    told(matrix.FORBIDDEN, "Postgres", subject.outcome(error, 0, 1), 1)


def test_a_table_that_is_read_for_long_keeps_its_month(postgres_url: str, tmp_path: Path, told: Tell) -> None:
    store = PostgresStore(postgres_url, tmp_path.name, MONTH_COLUMN, lock_patience=0)
    subject = Subject(name="Postgres", store=store)
    subject.replace(0)
    reading = store.read("trips").batches()
    next(reading)
    error = subject.failure_of_a_replace(1)
    assert isinstance(error, StoreUnavailable)
    outcome = subject.outcome(error, 0, 1)
    assert {version for batch in reading for version in batch["version"].to_pylist()} == {0}
    subject.replace(2)
    assert subject.version() == 2
    told(matrix.IN_USE, "Postgres", outcome, 1)


def test_a_replace_waits_for_a_reader(postgres_url: str, tmp_path: Path, told: Tell) -> None:
    subject = Subject(name="Postgres", store=PostgresStore(postgres_url, tmp_path.name, MONTH_COLUMN))
    subject.replace(0)
    reading = subject.store.read("trips").batches()
    next(reading)
    with ThreadPoolExecutor() as thread:
        replacing = thread.submit(subject.replace, 1)
        with pytest.raises(TimeoutError):
            replacing.result(timeout=0.5)
        assert {version for batch in reading for version in batch["version"].to_pylist()} == {0}
        replacing.result()
    assert subject.version() == 1
    told(matrix.IN_USE, "Postgres", "new month after the reader", 1)
