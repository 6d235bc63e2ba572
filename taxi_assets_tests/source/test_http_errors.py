"""Every error of the HTTP client ends in a sentence, and shows no password."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from taxi_assets.errors import SourceUnavailable
from taxi_assets.source import http
from taxi_assets.source.http import HttpSource

from .cdn import Answer, Cdn

PATH = "trip-data/green_tripdata_2024-01.parquet"
PROXIES = {
    "socks5://someone:secret@127.0.0.1:1080": r"a SOCKS proxy, .* pip install 'httpx\[socks\]'",
    "socks5h://someone:secret@127.0.0.1:1080": "a SOCKS proxy",
    "gopher://someone:secret@127.0.0.1:1": "a proxy whose address is none: check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY",
    "http://someone:sec@ret@127.0.0.1:secret": "a proxy whose address is none",
    "http://someone:secret@[::1": "a proxy whose address is none",
    "http://someone:secret@127.0.0.1:1": "Connection refused",
}


@pytest.fixture(autouse=True)
def other_certificates() -> Iterator[None]:
    http._ssl_context.cache_clear()
    yield
    http._ssl_context.cache_clear()


@pytest.mark.parametrize(("proxy", "text"), PROXIES.items(), ids=range(len(PROXIES)))
def test_a_proxy_that_cannot_be_used_is_reported_without_its_password(
    proxy: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(SourceUnavailable, match=text) as failure:
        HttpSource("http://tlc.example.org", attempts=1).head(PATH)
    assert "secret" not in str(failure.value)


def test_certificates_that_are_not_there_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    with pytest.raises(SourceUnavailable, match="SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"):
        HttpSource("https://tlc.example.org", attempts=1).head(PATH)


@pytest.mark.parametrize("host", ["a..b", "a" * 70, "\udcff.org", "x y.invalid", "bücher.invalid"])
def test_a_host_that_cannot_be_one_is_reported(host: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"cannot be fetched: .*\(attempts: 1\); check the connection"):
        HttpSource(f"http://{host}", attempts=1).head(PATH)


def test_a_path_that_is_no_text_is_reported(cdn: Cdn) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be fetched"):
        HttpSource(f"{cdn.url}/\udcff").head(PATH)


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "http://127.0.0.1:99999999/", "//[", "http://\x7f/"])
def test_a_redirect_to_no_web_address_is_reported(cdn: Cdn, source: HttpSource, place: str) -> None:
    cdn.will(*[Answer(status=302, headers={"Location": place})] * 3)
    with pytest.raises(SourceUnavailable, match="cannot be fetched"):
        source.head(PATH)


def test_redirects_in_a_circle_are_reported(cdn: Cdn) -> None:
    cdn.will(*[Answer(status=302, headers={"Location": f"/{PATH}"})] * 40)
    with pytest.raises(SourceUnavailable, match="redirects"):
        HttpSource(cdn.url).head(PATH)  # patient: on a busy machine 20 answers take longer than 0.2 s


def test_a_certificate_that_nobody_trusts_is_reported_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(_self_signed(tmp_path))
        threading.Thread(target=_shake_hands, args=(context, listening), daemon=True).start()
        with pytest.raises(SourceUnavailable, match=r"certificate is not trusted.*SSL_CERT_FILE.*\(attempts: 1\)"):
            HttpSource(f"https://127.0.0.1:{listening.getsockname()[1]}", first_wait=0.001).head(PATH)


def _shake_hands(context: ssl.SSLContext, listening: socket.socket) -> None:
    client, _ = listening.accept()
    try:
        context.wrap_socket(client, server_side=True).close()
    except OSError:
        client.close()


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(tz=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
