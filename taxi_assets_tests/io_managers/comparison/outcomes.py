"""What becomes of a case with an IO manager: kept, refused, changed or lost."""

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import dagster as dg
import numpy as np
import pandas as pd
from dagster_duckdb_pandas import DuckDBPandasIOManager

from taxi_assets.errors import InvalidRequest
from taxi_assets.io_managers import DuckDBIOManager, LakeIOManager, PostgresIOManager, storable
from taxi_assets.resources import DuckDBResource, PostgresResource
from taxi_assets_tests.io_managers.comparison.cases import GROUPS, Case, Row

DOCUMENT = Path(__file__).parents[3] / "docs" / "io-managers.md"
BEGIN, END = "<!-- cases: python -m taxi_assets_tests.io_managers.comparison -->\n", "<!-- /cases -->\n"
OURS = ("DuckDB", "Postgres", "lake")
STOCK = "dagster-duckdb-pandas"


def manager_of(name: str, folder: Path, postgres_url: str) -> dg.ConfigurableIOManager:
    """A new IO manager of that name, with its files in the folder."""
    match name:
        case "DuckDB":
            return DuckDBIOManager(duckdb=DuckDBResource(database=str(folder / "ours.duckdb")))
        case "Postgres":
            return PostgresIOManager(postgres=PostgresResource(url=postgres_url), schema_name=f"cases {uuid4().hex}")
        case "lake":
            return LakeIOManager(folder=str(folder / "lake"), key_column="day")
    return DuckDBPandasIOManager(database=str(folder / "stock.duckdb"), schema="public")


def outcome(case: Case, manager: dg.ConfigurableIOManager) -> str:
    """What becomes of the case."""
    made: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # beta parameters, and libraries that stock loads with

        @dg.asset(
            partitions_def=case.partitions,
            metadata={"partition_expr": "day"} if case.partitions else {},
            backfill_policy=dg.BackfillPolicy.single_run() if case.partitions else None,
        )
        def frame() -> Any:
            return made[-1]()

        definitions = dg.Definitions([frame], resources={"io_manager": manager})
        try:
            storable(definitions)
        except InvalidRequest:
            return "refused when definitions load"
        with dg.DagsterInstance.ephemeral() as instance:
            for number, (key, make) in enumerate(case.outputs):
                before = _loaded(case, definitions, instance, number)
                made.append(make)
                failure = _failure(definitions, instance, key)
                if failure is not None:
                    after = _loaded(case, definitions, instance, number)
                    return failure if after == before else f"{failure}, and the old rows are gone"
            return _judged(_loaded(case, definitions, instance, len(case.outputs)), case.expected)


def table(outcomes: dict[str, dict[str, str]]) -> str:
    """The outcomes, manager -> case -> outcome, as a Markdown table between its marks."""
    managers = [*OURS, STOCK]
    lines = [f"| | {' | '.join(managers)} |", "| --- |" + " --- |" * len(managers)]
    for title, cases in GROUPS.items():
        lines.append(f"| **{title}** |" + " |" * len(managers))
        lines += [f"| {case.name} | {' | '.join(outcomes[one][case.name] for one in managers)} |" for case in cases]
    return BEGIN + "\n".join(lines) + "\n" + END


def outcomes_of(name: str, folder: Path, postgres_url: str, cases: Sequence[Case]) -> dict[str, str]:
    """Case -> outcome with the IO manager of that name."""
    found = {}
    for number, case in enumerate(cases):
        own = folder / f"case_{number}"
        own.mkdir(parents=True)
        found[case.name] = outcome(case, manager_of(name, own, postgres_url))
    return found


def documented() -> str:
    """The table in the document."""
    text = DOCUMENT.read_text()
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def _failure(definitions: dg.Definitions, instance: dg.DagsterInstance, key: str | None) -> str | None:
    """How the run failed; None where it succeeded."""
    job = definitions.resolve_implicit_global_asset_job_def()
    first, _, last = (key or "").partition("...")
    how: dict[str, Any] = {} if key is None else {"partition_key": key}
    if last:
        how = {"tags": {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}}
    result = job.execute_in_process(instance=instance, raise_on_error=False, **how)
    if result.success:
        return None
    [event] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    data = event.step_failure_data
    if data.user_failure_data is not None:
        return "refused"
    cause = data.error
    while cause is not None and cause.cause is not None:
        cause = cause.cause
    return f"fails ({cause.cls_name})" if cause is not None else "fails"


def _loaded(case: Case, definitions: dg.Definitions, instance: dg.DagsterInstance, outputs: int) -> list[Row]:
    """The rows of the outputs so far, a partition at a time."""
    keys = dict.fromkeys(
        one for key, _ in case.outputs[:outputs] for one in (key or "").split("...") if key or not case.partitions
    )
    return [row for key in keys for row in _rows(definitions, instance, key or None)]


def _rows(definitions: dg.Definitions, instance: dg.DagsterInstance, key: str | None) -> Iterator[Row]:
    try:
        frame = definitions.load_asset_value("frame", python_type=pd.DataFrame, partition_key=key, instance=instance)
    except Exception as error:  # noqa: BLE001 - of any driver, and a table that cannot be loaded has its outcome
        yield {"cannot be loaded": type(error).__name__}
        return
    for record in frame.astype(object).to_dict("records"):
        values = {str(name): _plain(value) for name, value in record.items()}
        yield {name: value for name, value in values.items() if value is not None and name != "day"}


def _plain(value: Any) -> Any:  # noqa: PLR0911 - a table of types
    if isinstance(value, np.ndarray | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.Timedelta):
        return value.to_pytimedelta()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if type(value) is date:
        return datetime.combine(value, datetime.min.time())
    return value


def _judged(found: Sequence[Row], expected: Sequence[Row]) -> str:
    wanted = [{name: value for name, value in row.items() if _plain(value) is not None} for row in expected]
    if _sorted(found) == _sorted(wanted):
        return "kept"
    if any("cannot be loaded" in row for row in found):
        return "said to be stored, and is not there"
    if _sorted(found) == _sorted([{name: _as_text(value) for name, value in row.items()} for row in wanted]):
        return "kept, as text"
    if _sorted(_parsed(found)) == _sorted(wanted):
        return "kept, as JSON"
    return f"lost: {len(wanted) - len(found)} rows" if len(found) < len(wanted) else "changed"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _parsed(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            name: json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: repr(sorted((name, str(value)) for name, value in row.items())))
