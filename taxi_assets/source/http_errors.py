"""Errors of the HTTP client: which are retryable, and their text for people."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from taxi_assets.errors import SourceUnavailable
from taxi_assets.source.http_responses import Transient

_PROXIES = "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"


@contextmanager
def map_client_errors() -> Iterator[None]:
    """Map the errors of creating a client, which reads proxies and certificates from the environment.

    Raises:
        SourceUnavailable: the environment's proxy or certificates cannot be used. The text omits the proxy's address,
            which may contain a password.
    """
    import httpx

    try:
        yield
    except ImportError as error:
        raise SourceUnavailable(
            f"the environment ({_PROXIES}) names a SOCKS proxy, for which a package is missing: pip install"
            " 'httpx[socks]', or name an HTTP proxy, or none"
        ) from error
    except (ValueError, httpx.InvalidURL):
        raise SourceUnavailable(
            f"the environment names a proxy whose address is none: check {_PROXIES}, which take http://host:port"
        ) from None
    except OSError as error:  # ssl.SSLError is an OSError
        raise SourceUnavailable(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}; correct or unset it"
        ) from error


def is_retryable(error: BaseException) -> bool:
    """Whether another attempt may succeed."""
    import httpx

    if isinstance(error, httpx.TransportError):
        return not isinstance(error, httpx.UnsupportedProtocol) and not _is_certificate_error(error)
    return isinstance(error, Transient)


def error_reason(error: BaseException | None) -> str:
    """The error as a clause, with advice for an untrusted certificate."""
    if _is_certificate_error(error):
        return (
            f"its certificate is not trusted ({error}); where a proxy or the server has one of your own authority's,"
            " name that authority's certificates in SSL_CERT_FILE"
        )
    return str(error) or type(error).__name__


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
