from pathlib import Path

import pytest

from taxi_assets.errors import InvalidRequest
from taxi_assets.settings import SOURCE_FORMS, TLC_CDN
from taxi_assets.source import open_source
from taxi_assets.source.folder import FolderSource
from taxi_assets.source.http import HttpSource


@pytest.mark.parametrize(
    ("value", "url"),
    [
        (TLC_CDN, "https://d37ci6vzurychx.cloudfront.net"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://mirror.example.org/nyc/tlc/", "https://mirror.example.org/nyc/tlc"),
        ("HTTPS://mirror.example.org", "https://mirror.example.org"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        (" https://someone:secret@mirror.example.org/tlc ", "https://mirror.example.org/tlc"),
    ],
)
def test_a_web_address_is_a_server(value: str, url: str) -> None:
    source = open_source(value)
    assert isinstance(source, HttpSource)
    assert source.url == url


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("/data/tlc", "file:///data/tlc"),
        ("/data/tlc/", "file:///data/tlc"),
        ("/data/what? #1", "file:///data/what%3F%20%231"),
        ("file:///data/tlc", "file:///data/tlc"),
        ("file://localhost/data/tlc/", "file:///data/tlc"),
        ("file:///data/my%20tlc", "file:///data/my%20tlc"),
        ("tlc", (Path.cwd() / "tlc").as_uri()),
        ("./sample", (Path.cwd() / "sample").as_uri()),
        ("~/tlc", (Path.home() / "tlc").as_uri()),
    ],
)
def test_a_path_or_a_file_url_is_a_folder_even_before_it_is_there(value: str, url: str) -> None:
    source = open_source(value)
    assert isinstance(source, FolderSource)
    assert source.url == url


def test_sample_is_the_built_in_sample() -> None:
    assert open_source("sample").url == "sample"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "http://",
        "https:///trip-data",
        "http:/mirror.example.org",
        "http://mirror.example.org:http",
        "http://mirror.example.org:99999",
        "http://[::1",
        "https://mirror.example.org/tlc?key=secret",
        "https://mirror.example.org/tlc?",
        "https://mirror.example.org/tlc#trip-data",
        "ftp://someone:secret@mirror.example.org",
        "gs://bucket/tlc",
        "s3://nyc-tlc",
        "file://data/tlc",
        "file:data",
        "file://",
        "~nobody-of-this-name/tlc",
    ],
)
def test_anything_else_is_refused_with_the_forms_there_are(value: str) -> None:
    with pytest.raises(InvalidRequest, match="TAXI_SOURCE") as failure:
        open_source(value)
    assert all(form in str(failure.value) for form in SOURCE_FORMS)
    assert "secret" not in str(failure.value)
