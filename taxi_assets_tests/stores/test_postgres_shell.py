"""psql through `taxi psql`: secrets out of sight, the tables found, and poolers no obstacle."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.stores.postgres.embedded import PSQL
from taxi_assets.stores.postgres.psql import start_psql

from .test_postgres_sessions import pooled_url  # noqa: F401 - a fixture

SECRET = "p@ss/w?rd"  # noqa: S105 - not one


def answer(url: str, tmp_path: Path, *arguments: str, schema: str = "taxi") -> list[str]:
    """The lines that psql writes."""
    told = tmp_path / "told"
    assert start_psql(PSQL, url, schema, ["-XAt", "-o", str(told), *arguments], os.environ).wait() == 0
    return told.read_text().splitlines()


def call_of(url: str, tmp_path: Path, arguments: Sequence[str] = ()) -> tuple[str, str]:
    """The command line of the program that is called for psql, and the password in its environment."""
    program = tmp_path / "psql"
    program.write_text(
        f'#!/bin/sh\nprintf \'%s \' "$@" > {tmp_path}/line\nprintf %s "$PGPASSWORD" > {tmp_path}/password\n'
    )
    program.chmod(0o755)
    assert start_psql(program, url, "taxi", arguments, {"PATH": os.environ["PATH"]}).wait() == 0
    return (tmp_path / "line").read_text(), (tmp_path / "password").read_text()


@pytest.mark.parametrize("rest", ["/trips", ",127.0.0.1:2/trips?target_session_attrs=read-write&sslmode=disable"])
def test_the_password_is_on_no_command_line(tmp_path: Path, rest: str) -> None:
    line, password = call_of(
        f"postgresql://taxi:{quote(SECRET, safe='')}@127.0.0.1:1{rest}", tmp_path, ["-c", "SELECT"]
    )
    assert password == SECRET
    assert SECRET not in line
    assert quote(SECRET, safe="") not in line
    assert "user=taxi" in line
    line, password = call_of(f"postgresql://taxi@127.0.0.1:1{rest.partition('?')[0]}?password=hush", tmp_path)
    assert (password, "hush" in line) == ("hush", False)


def test_a_secret_that_psql_takes_on_its_command_line_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="sslpassword") as caught:
        call_of("postgresql://taxi@127.0.0.1:1/trips?sslpassword=hush", tmp_path)
    assert "hush" not in str(caught.value)


def test_the_tables_are_found_without_their_schema(postgres_url: str, tmp_path: Path) -> None:
    name = tmp_path.name
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}" CREATE TABLE shops (shop int)')
        connection.execute(f'INSERT INTO "{name}".shops VALUES (1)')
    assert answer(postgres_url, tmp_path, "-c", "SELECT shop FROM shops", schema=name) == ["1"]
    own = f"{postgres_url}&options={quote('-c work_mem=1MB')}"
    query = "SELECT current_setting('work_mem'), shop FROM shops"
    assert answer(own, tmp_path, "-c", query, schema=name) == ["1MB|1"]


def test_it_works_through_pgbouncer(pooled_url: str, tmp_path: Path) -> None:  # noqa: F811
    assert answer(pooled_url, tmp_path, "-c", "SELECT 1") == ["1"]
