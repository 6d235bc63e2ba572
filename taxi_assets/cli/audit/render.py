"""Terminal output of `taxi audit`: a block for each loaded version, and between two the changes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from taxi_assets.cli.audit.load_versions import Version

_MANY_RUNS = 4
# Shown of an added or removed row, besides its position and pickup time.
_EXAMPLE_COLUMNS = (
    "pickup_location_id",
    "dropoff_location_id",
    "trip_distance",
    "trip_miles",
    "fare_amount",
    "total_amount",
)
_SIGNS = {"removed": "-", "added": "+", "changed": "~"}


def print_load_history(console: Console, name: str, versions: Sequence[Version], silent: Mapping[str, str]) -> None:
    """Print the versions of a month, oldest first; `silent` maps stores that did not answer to the error."""
    console.print(f"[bold]{name}[/bold]: {_counted(len(versions), 'version')}")
    for number, (before, version) in enumerate(zip([None, *versions], versions, strict=False), start=1):
        if before is not None or version.changes is not None:
            console.print(Padding(_changes(version, before), (1, 0, 0, 2), expand=False))
        now = f", now in {' and '.join(version.now_in)}" if version.now_in else ", replaced since"
        console.print(f"\n[bold]version {number}[/bold], loaded {_moment(version.lines[0]['finished_at'])}{now}")
        console.print(Padding(_facts(version), (0, 0, 0, 2), expand=False))
    for store, why in silent.items():
        console.print(f"[red]the audit log of {store} does not answer[/red]: {escape(why)}")


def _facts(version: Version) -> Table:
    table = Table.grid(padding=(0, 2))
    for label, text in _labelled_facts(version):
        table.add_row(label, escape(text))
    return table


def _labelled_facts(version: Version) -> Iterator[tuple[str, str]]:
    origin = version.origin
    if origin["source_sha256"] is not None:
        etag = f", ETag {origin['source_etag']}" if origin["source_etag"] else ""
        size = "" if origin["source_bytes"] is None else f"{origin['source_bytes']:,} bytes, "
        yield "file", origin["source_url"] or "not known"
        yield "", f"{size}sha256 {_short(origin['source_sha256'])}{etag}"
    if origin["rejected_rows"] is not None and origin["source_rows"] is not None:
        clean = f"{origin['loaded_rows']:,} clean + {origin['rejected_rows']:,} rejected"
        yield "rows", f"{origin['source_rows']:,} in the file = {clean}"
        rejected = {rule: rows for rule, rows in (origin["rejected_by_rule"] or {}).items() if rows}
        yield "rejected", ", ".join(f"{rule} {rows:,}" for rule, rows in rejected.items()) or "none"
        yield "rules", (origin["rules"] or "not known").replace(",", ", ")
    else:
        yield "rows", f"{origin['loaded_rows']:,}"
    if origin["code_version"] is not None:
        yield "code", f"taxi_assets {origin['code_version']}"
    yield from _loads(version)


def _loads(version: Version) -> Iterator[tuple[str, str]]:
    """The runs that loaded the version; if there are many, the first and the last."""
    runs = [tuple(lines) for _, lines in groupby(version.lines, key=lambda line: line["run_id"])]
    left_out = len(runs) - 2 if len(runs) > _MANY_RUNS else 0
    shown = [runs[0], runs[-1]] if left_out else runs
    for number, run in enumerate(shown):
        stores = " and ".join(dict.fromkeys(line["store"] for line in run))
        when = _moment(run[-1]["finished_at"])
        yield "" if number else "loaded", f"{when} into {stores}: {run[0]['started_by']}, run {run[0]['run_id']}"
        if left_out and not number:
            yield "", f"… {_counted(left_out, 'run')} more …"


def _changes(version: Version, before: Version | None) -> Table:
    changes = version.changes
    table = Table.grid(padding=(0, 2))
    if changes is None:
        table.add_row("what changed is not known: the lake had no clean rows to compare with")
        return table
    if before is None or changes["since_sha256"] != before.origin["source_sha256"]:
        table.add_row(f"since the file with sha256 {_short(changes['since_sha256'])}, whose load is in no audit log")
    rows = f"{changes['rows_before']:,} -> {changes['rows_after']:,} rows"
    table.add_row(f"{rows}: {', '.join(f'{changes[kind]:,} {kind}' for kind in _SIGNS)}")
    if changes["amount_before"] is not None and changes["amount_after"] is not None:
        difference = changes["amount_after"] - changes["amount_before"]
        table.add_row(f"total ${changes['amount_before']:,.2f} -> ${changes['amount_after']:,.2f} ({difference:+,.2f})")
    for example in changes.get("examples", ()):
        table.add_row(escape(_example(example)))
    return table


def _example(example: Mapping[str, Any]) -> str:
    row = example["row"]
    trip = f"row {row['source_row']}, {str(row.get('pickup_datetime', '')).replace('T', ' ')}"
    if example["kind"] == "changed":
        values = (f"{name} {was} -> {example['after'][name]}" for name, was in example["before"].items())
    else:
        values = (f"{name} {row[name]}" for name in _EXAMPLE_COLUMNS if name in row)
    return f"{_SIGNS[example['kind']]} {trip}: {', '.join(values)}"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _short(sha256: str | None) -> str:
    return "unknown" if sha256 is None else sha256[:12]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
