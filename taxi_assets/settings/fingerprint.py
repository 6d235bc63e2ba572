"""Fingerprint of the stores: what two machines compare, to find out whether their runs write to the same places.

It holds no secret, so it may travel through a broker and stand in an error. Not part of it: `TAXI_HOME`, alerts and the
UI's address, which may differ between machines.
"""

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from taxi_assets.settings import Settings, bigquery_emulator
from taxi_assets.settings.places import Embedded, PostgresPlace
from taxi_assets.settings.urls import without_login

Fingerprint: TypeAlias = Mapping[str, str]  # variable -> place

_UNSET = "nothing"
_OF_A_SERVER = ("host", "port", "dbname")  # what a query of a Postgres URL may say about the place


def fingerprint(environment: Mapping[str, str]) -> Fingerprint:
    """The place of each store, and of the source, by the variable that sets it.

    Raises:
        InvalidRequest: a variable has none of the accepted forms.
    """
    settings = Settings.from_environment(environment)
    return {
        "TAXI_SOURCE": str(settings.source),
        "TAXI_LAKE": str(settings.lake),
        "TAXI_POSTGRES": _postgres(settings.postgres),
        "TAXI_WAREHOUSE": str(settings.warehouse),
        "STORAGE_EMULATOR_HOST": environment.get("STORAGE_EMULATOR_HOST") or _UNSET,
        "BIGQUERY_EMULATOR_HOST": bigquery_emulator(environment) or _UNSET,
    }


def differences(here: Fingerprint, there: Fingerprint) -> str:
    """The variables with different places, in a sentence; empty where there are none."""
    different = [name for name in sorted({*here, *there}) if here.get(name, _UNSET) != there.get(name, _UNSET)]
    return "; ".join(
        f"{name} is {here.get(name, _UNSET)} here and {there.get(name, _UNSET)} there" for name in different
    )


def _postgres(place: PostgresPlace) -> str:
    if isinstance(place, Embedded):
        return f"embedded in {place.folder}"
    url = urlsplit(without_login(place.dsn.get_secret_value()))
    query = [(name, value) for name, value in parse_qsl(url.query) if name in _OF_A_SERVER]
    return url._replace(scheme="postgresql", query=urlencode(query), fragment="").geturl()
