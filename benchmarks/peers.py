"""Other tools with the same file: each in an environment of its own, and timed as a whole process, as a user starts it.

An environment that cannot be installed is a line of the table instead of an error.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psutil
import psycopg

from benchmarks.measuring import Cost, cost_of_command, in_turns
from benchmarks.report import Line

_DLT = """
import sys, dlt, pyarrow.parquet as pq
file, url, folder, kind = sys.argv[1:]

@dlt.resource(name="trips", write_disposition="replace")
def trips():
    yield from pq.ParquetFile(file).iter_batches(122_880)

destination = dlt.destinations.postgres(credentials=url.replace("postgres@", "postgres:none@"))
pipeline = dlt.pipeline("bench_" + kind, pipelines_dir=folder, destination=destination, dataset_name="peer_" + kind)
pipeline.run(trips, loader_file_format=kind)
"""
_TO_SQL = """
import sys, pandas, sqlalchemy
file, url = sys.argv[1:3]
url = url.replace("postgresql:", "postgresql+psycopg2:")
frame = pandas.read_parquet(file)
frame.head(len(frame) // 10).to_sql("to_sql", sqlalchemy.create_engine(url), if_exists="replace", index=False)
"""
_STOCK_MANAGER = """
import sys, dagster as dg, pandas
from dagster_duckdb_pandas import DuckDBPandasIOManager
file, _, folder = sys.argv[1:4]

months = dg.MonthlyPartitionsDefinition("2024-01-01")

@dg.asset(partitions_def=months, metadata={"partition_expr": "tpep_pickup_datetime"})
def trips() -> pandas.DataFrame:
    return pandas.read_parquet(file)

manager = DuckDBPandasIOManager(database=folder + "/peer.duckdb")
with dg.instance_for_test() as instance:
    dg.materialize([trips], instance=instance, partition_key="2024-01-01", resources={"io_manager": manager})
"""

_MAGE = '''
import os, pathlib, subprocess, sys, urllib.parse
file, url, folder = sys.argv[1:4]
program, project = pathlib.Path(sys.executable).with_name("mage"), pathlib.Path(folder, "mage")
if not project.exists():
    subprocess.run([program, "init", project], check=True)
    server = urllib.parse.urlsplit(url)
    values = {"DBNAME": server.path.strip("/"), "HOST": server.hostname, "PORT": server.port, "USER": server.username}
    profile = "".join(f"  POSTGRES_{name}: {value}\\n" for name, value in values.items())
    (project / "io_config.yaml").write_text(f"version: 0.1.1\\ndefault:\\n{profile}  POSTGRES_PASSWORD: none\\n")
    (project / "data_loaders" / "read.py").write_text(f"""
import pandas

@data_loader
def read(**_):
    return pandas.read_parquet({file!r})
""")
    (project / "data_exporters" / "export.py").write_text(f"""
from mage_ai.io.config import ConfigFileLoader
from mage_ai.io.postgres import Postgres

@data_exporter
def export(frame, **_):
    with Postgres.with_config(ConfigFileLoader({str(project / "io_config.yaml")!r}, "default")) as postgres:
        postgres.export(frame, "peer_mage", "trips", index=False, if_exists="replace")
""")
    (project / "pipelines" / "trips").mkdir()
    (project / "pipelines" / "trips" / "__init__.py").touch()
    (project / "pipelines" / "trips" / "metadata.yaml").write_text("""
name: trips
uuid: trips
type: python
blocks:
- {name: read, uuid: read, type: data_loader, upstream_blocks: [], downstream_blocks: [export]}
- {name: export, uuid: export, type: data_exporter, upstream_blocks: [read], downstream_blocks: []}
widgets: []
""")
os.execv(program, ["mage", "run", str(project), "trips"])
'''


@dataclass(frozen=True)
class Peer:
    """A tool.

    Attributes:
        name: as in the table.
        packages: what its environment has.
        script: what it runs, with the file, the server's URL and a folder as arguments.
        arguments: further ones.
        scale: the times by which its seconds count, where it loads a part only.
    """

    name: str
    packages: tuple[str, ...]
    script: str
    arguments: tuple[str, ...] = ()
    scale: int = 1


_DLT_PACKAGES = ("dlt[postgres]", "pyarrow", "adbc-driver-postgresql")
_DAGSTER_PACKAGES = tuple(
    f"{name}=={version(name)}" for name in ("dagster", "dagster-duckdb", "dagster-duckdb-pandas", "pandas", "pyarrow")
)
PEERS = (
    Peer("dlt to Postgres, Parquet through ADBC", _DLT_PACKAGES, _DLT, ("parquet",)),
    Peer("dlt to Postgres, CSV", _DLT_PACKAGES, _DLT, ("csv",)),
    Peer(
        "`pandas.to_sql` to Postgres, a tenth, x 10", ("pandas<3", "pyarrow", "sqlalchemy", "psycopg2-binary"), _TO_SQL,
        scale=10,
    ),
    Peer(
        "Dagster's DuckDB pandas IO manager, DuckDB only", _DAGSTER_PACKAGES, _STOCK_MANAGER
    ),
)  # fmt: skip
MAGE = Peer("Mage to Postgres, by pandas", ("mage-ai[postgres]",), _MAGE)


@dataclass(frozen=True)
class _Given:
    """What each peer gets: a folder, the file, the server's URL and its process id."""

    work: Path
    file: Path
    url: str
    server: int


def compared(peers: Sequence[Peer], work: Path, file: Path, url: str, rounds: int) -> Iterator[Line]:
    """A line for each peer.

    Args:
        peers: the tools.
        work: a folder for the environments and what the peers write.
        file: the month as TLC publishes it.
        url: of a PostgreSQL server with the settings of `initdb`.
        rounds: how often each is measured, in turns.
    """
    with psycopg.connect(url) as connection:
        given = _Given(work, file, url, psutil.Process(connection.info.backend_pid).ppid())
    ready = {}
    for peer in peers:
        try:
            ready[peer] = _environment(work, peer.packages)
        except subprocess.CalledProcessError as error:
            yield Line(f"{peer.name}: not installed", None, _reason(error))
    works = {}
    for peer, python in ready.items():
        try:
            _cost(peer, python, given)  # once before, so that bytecode is there
            works[peer] = python
        except subprocess.CalledProcessError as error:
            yield Line(f"{peer.name}: failed", None, _reason(error))
    costs = in_turns(rounds, *(partial(_cost, peer, python, given) for peer, python in works.items()))
    for peer, cost in zip(works, costs, strict=True):
        yield Line(f"{peer.name}, the whole process", cost)


def _reason(error: subprocess.CalledProcessError) -> str:
    """The last line of its error output that names an error."""
    lines = [line.strip() for line in (error.stderr or "").splitlines() if re.search(r"error|exception", line, re.I)]
    return (lines[-1] if lines else f"exit status {error.returncode}").replace("|", "/")[:120]


def _environment(work: Path, packages: tuple[str, ...]) -> Path:
    folder = work / "peers" / packages[0].partition("[")[0].partition("=")[0].partition("<")[0]
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, text=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(install, check=True, capture_output=True, text=True)
    return python


def _cost(peer: Peer, python: Path, given: _Given) -> Cost:
    folder = given.work / "peers" / "files"
    folder.mkdir(exist_ok=True)
    command = [python, "-c", peer.script, given.file, given.url, folder, *peer.arguments]
    cost = cost_of_command(command, {"HOME": str(folder)}, given.server)
    return Cost(cost.seconds * peer.scale, cost.cpu * peer.scale, cost.peak)
