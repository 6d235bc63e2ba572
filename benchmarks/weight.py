"""What an installation weighs: packages, megabytes and the CPU time of an import, for the base and for each extra.

python -m benchmarks.weight [--of CHECKOUT] [--rounds N] [extra ...]

Each is installed into a new virtual environment, with the versions of constraints.txt, and removed afterwards: some
minutes and up to 800 MB of disk. Sizes are of files as pip puts them there, without pip itself and compiled modules.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASE = "none"
IMPORTS = {
    BASE: "from taxi_assets.io_managers import LakeIOManager",
    "postgres": "from taxi_assets.io_managers import PostgresIOManager; "
    "from taxi_assets.resources import PostgresResource",
    "embedded": "from taxi_assets.io_managers import PostgresIOManager; "
    "from taxi_assets.resources import PostgresResource",
    "duckdb": "from taxi_assets.io_managers import DuckDBIOManager; from taxi_assets.resources import DuckDBResource",
    "gcs": "from taxi_assets.io_managers import GCSLakeIOManager; "
    "from taxi_assets.resources.google_cloud import GCSResource",
    "bigquery": "from taxi_assets.io_managers import BigQueryIOManager; "
    "from taxi_assets.resources.google_cloud import BigQueryResource",
    "taxi": "import taxi_assets.definitions",
}


def main() -> None:
    """Measure the extras that the command line names, or all, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weight", description=__doc__.partition("\n")[0])
    parser.add_argument("extras", nargs="*", metavar="extra", help=", ".join(IMPORTS))
    parser.add_argument("--of", type=Path, default=ROOT, metavar="CHECKOUT", help="by default this one")
    parser.add_argument("--rounds", type=int, default=5, help="how often each import is measured; the median counts")
    given = parser.parse_args()
    print("| extra | packages | MB | CPU seconds to import | of these Dagster's |\n| --- | --- | --- | --- | --- |")
    known = tomllib.loads((given.of / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    # A checkout without the extra is installed as a whole.
    wholes = [extra for extra in given.extras or IMPORTS if extra not in known]
    for what, extras in [("", wholes), *((f"[{one}]", [one]) for one in given.extras or IMPORTS if one in known)]:
        if extras:
            _measure(given.of.absolute(), what, extras, given.rounds)


def _measure(checkout: Path, what: str, extras: Sequence[str], rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="taxi-weight-") as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        quiet = ["--quiet", "--quiet", "--disable-pip-version-check", "--no-compile"]
        pinned = ["--constraint", checkout / "constraints.txt"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *pinned, f"{checkout}{what}"], check=True, cwd=folder)
        packages, size = _weight(python)
        for extra in extras:
            seconds, dagster = (_cpu_seconds(python, code, rounds) for code in (IMPORTS[extra], "import dagster"))
            print(f"| {extra} | {packages} | {size / 1e6:.0f} | {seconds:.2f} | {dagster:.2f} |", flush=True)


def _weight(python: Path) -> tuple[int, int]:
    """Packages beside pip, and their files' bytes."""
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--disable-pip-version-check", "--format", "freeze"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    names = [line for line in listed if line.partition("=")[0] not in ("pip", "setuptools")]
    [packages] = (python.parent.parent / "lib").glob("python*/site-packages")
    files = (path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc")
    without = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    own = (path for path in files if not path.relative_to(packages).parts[0].startswith(without))
    return len(names), sum(path.stat().st_size for path in own)


def _cpu_seconds(python: Path, code: str, rounds: int) -> float:
    """The median of user and system time of an interpreter that runs the code; a first run compiles the modules."""
    command: Sequence[str | Path] = [python, "-c", code]
    subprocess.run(command, check=True, cwd=python.parent)
    taken = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, cwd=python.parent)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
