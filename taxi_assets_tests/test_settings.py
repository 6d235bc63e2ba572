"""What the variables may hold, and what is refused without repeating a secret."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import Settings, load_env_file
from taxi_assets.settings.places import DuckDB, Folder, Sample, Server

URLS = {
    "TAXI_POSTGRES": "postgresql://me:{}@127.0.0.1:5432/taxi",
    "TAXI_SOURCE": "https://me:{}@example.org/tlc",
    "TAXI_ALERT_WEBHOOK": "https://me:{}@example.org/hook",
    "TAXI_UI_URL": "https://me:{}@example.org",
}


def settings(**variables: str) -> Settings:
    return Settings.from_environment({"TAXI_HOME": "/srv/taxi", **variables})


@pytest.mark.parametrize("variable", URLS)
@pytest.mark.parametrize(
    "password", ["first@Second", "12/Second", "first?Second", "12#Second", "first%Second", "a Second"]
)
def test_a_password_with_an_unescaped_character_is_refused_without_a_piece_of_it(variable: str, password: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{variable}.*%40") as refused:
        settings(**{variable: URLS[variable].format(password)})
    for piece in ("Second", "first", "me:", "12"):
        assert piece not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TAXI_POSTGRES", "postgresql://me:Second@h1:5432,me:p@ss@h2/taxi"),
        ("TAXI_POSTGRES", "postgresql://h/taxi?user=me&password=p@Second"),
        ("TAXI_SOURCE", "me:12/Second@example.org/tlc"),
        ("TAXI_SOURCE", "//me:Second@example.org@/tlc"),
        ("TAXI_ALERT_WEBHOOK", "https://example.org/hook/@Second"),
    ],
)
def test_an_at_sign_outside_of_a_login_is_refused(variable: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match="%40") as refused:
        settings(**{variable: value})
    assert "Second" not in str(refused.value)


@pytest.mark.parametrize("variable", URLS)
def test_an_escaped_password_is_taken(variable: str) -> None:
    settings(**{variable: URLS[variable].format("p%40ss%2Fw%3Aord%25")})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:b@h1:5432,h2:5432/db?target_session_attrs=read-write",
        "postgresql://h1,h2/db",
        "postgresql://a:b@[::1]:5432/db",
        "postgresql://a@%2Frun%2Fpostgresql/db",
        "postgres:///db?host=/run",
    ],
)
def test_postgres_takes_every_form_of_hosts_that_libpq_takes(url: str) -> None:
    assert settings(TAXI_POSTGRES=f"  {url}\n").postgres == Server(SecretStr(url))


@pytest.mark.parametrize("hosts", ["h:port", "h1,h2:99999", "h:1:2", "[::1"])
def test_postgres_refuses_what_is_no_host(hosts: str) -> None:
    with pytest.raises(InvalidRequest, match="TAXI_POSTGRES"):
        settings(TAXI_POSTGRES=f"postgresql://me:hush@{hosts}/db")


def test_a_home_is_written_with_a_tilde_in_every_variable_that_takes_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    ours = settings(TAXI_HOME="~/taxi", TAXI_LAKE="~/my-lake", TAXI_WAREHOUSE="duckdb:///~/w.duckdb")
    assert (ours.home, ours.lake) == (Path("/home/me/taxi"), Folder(Path("/home/me/my-lake")))
    assert (
        ours.warehouse == settings(TAXI_WAREHOUSE="duckdb://~/w.duckdb").warehouse == DuckDB(Path("/home/me/w.duckdb"))
    )


def test_blanks_around_a_value_do_not_count() -> None:
    ours = settings(TAXI_SOURCE=" sample ", TAXI_LAKE=" /srv/lake\n", TAXI_WAREHOUSE="\tduckdb:///w.duckdb ")
    assert (ours.source, ours.lake, ours.warehouse) == (Sample(), Folder(Path("/srv/lake")), DuckDB(Path("/w.duckdb")))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TAXI_LAKE", "gs://bucket/lake#2"),
        ("TAXI_LAKE", "gs://bucket/lake?x"),
        ("TAXI_LAKE", "GS://bucket/lake"),
        ("TAXI_LAKE", "gs://me:hush@bucket/lake"),
        ("TAXI_WAREHOUSE", "duckdb:warehouse.duckdb"),
        ("TAXI_WAREHOUSE", "duckdb:///srv/a#b.duckdb"),
        ("TAXI_WAREHOUSE", "duckdb:///srv/"),
        ("TAXI_WAREHOUSE", "duckdb://file.duckdb"),
        ("DAGSTER_HOME", "dagster"),
        ("TAXI_HOME", "~nobody-has-this-name/taxi"),
    ],
)
def test_a_place_that_would_be_taken_for_another_one_is_refused(variable: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=variable):
        settings(**{variable: value})


def test_a_folder_keeps_every_character_of_its_name() -> None:
    home = '/srv/50%2Foff? #1 "a" \\ [é]'
    ours = settings(TAXI_HOME=home)
    assert ours.home == Path(home)
    assert ours.warehouse.path == Path(home) / "warehouse.duckdb"
    assert ours.lake == Folder(Path(home) / "lake")


def test_settings_show_no_secret() -> None:
    shown = repr(settings(**{name: url.format("hush") for name, url in URLS.items() if name != "TAXI_UI_URL"}))
    assert "hush" not in shown


def test_only_a_source_with_a_password_is_a_secret() -> None:
    assert "source" not in settings(TAXI_SOURCE="https://example.org").secrets
    assert settings(TAXI_SOURCE="https://me:hush@example.org").secrets["source"] == "TAXI_SOURCE"


def test_the_env_file_counts_as_it_does_for_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster._cli.utils import get_temporary_instance_for_cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TAXI_HOME=here\nTAXI_LAKE=${TAXI_HOME}/lake\nTAXI_POSTGRES\n")
    ours = {"TAXI_HOME": "elsewhere", "TAXI_SOURCE": "sample"}
    load_env_file(ours)
    assert ours == {"TAXI_HOME": "here", "TAXI_LAKE": "here/lake", "TAXI_SOURCE": "sample"}
    monkeypatch.setenv("TAXI_HOME", "elsewhere")
    with get_temporary_instance_for_cli():
        assert Settings.from_environment().home == tmp_path / "here"
