"""A small world to automate in: a server of TLC's files, a Dagster instance, and stores."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from taxi_assets.catalog import Layer, dataset_named
from taxi_assets.definitions import build_definitions
from taxi_assets.io_managers.metadata import raw_metadata
from taxi_assets.month import Month
from taxi_assets.raw_file import RawFile
from taxi_assets.sample import write_month
from taxi_assets.settings import Settings
from taxi_assets_tests.source.cdn import Cdn

GREEN = dataset_named("green")
LAYERS = (Layer.RAW, Layer.QUARANTINE, Layer.DIFF, Layer.CLEAN, Layer.POSTGRES, Layer.WAREHOUSE)
ROWS = 200


@contextmanager
def records_on_disk(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's records where the `taxi` of these settings looks for them."""
    settings.dagster_home.mkdir(exist_ok=True)
    (settings.dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}")
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        yield instance


@dataclass
class World:
    """Everything that a sensor sees.

    Attributes:
        cdn: the server that TAXI_SOURCE names.
        instance: Dagster's own records.
        settings: of this world.
        cursors: sensor -> where it is.
    """

    cdn: Cdn
    instance: dg.DagsterInstance
    settings: Settings
    cursors: dict[str, str | None] = field(default_factory=dict)
    _built: dict[str, dg.Definitions] = field(default_factory=dict)

    @property
    def definitions(self) -> dg.Definitions:
        """Built once for the settings of the moment: that takes longer than most ticks."""
        key = str(vars(self.settings))  # not its repr, which shows no source
        if key not in self._built:
            self._built[key] = build_definitions(self.settings)
        return self._built[key]

    @property
    def _published(self) -> Path:
        """The file that was published last; each says in itself that it is synthetic."""
        return Path(self.settings.home) / "published.parquet"

    def publish(self, month: str, *, etag: str | None = '"first"', rows: int = ROWS) -> None:
        """Put the month on the server; other rows are other bytes."""
        self._published.parent.mkdir(parents=True, exist_ok=True)
        write_month(GREEN, Month.parse(month), self._published, rows=rows)
        self.cdn.put(f"trip-data/{GREEN.file_name(Month.parse(month))}", self._published.read_bytes(), etag)

    def load(self, month: str, *, everything: bool = False, **config: Any) -> dg.ExecuteInProcessResult:
        """Run the month's job in this process; the summaries and the page are a third of its time and seldom needed."""
        job = self.definitions.resolve_job_def("green_trips_job")
        return job.execute_in_process(
            partition_key=month,
            instance=self.instance,
            asset_selection=None if everything else [dg.AssetKey(GREEN.key(layer)) for layer in LAYERS],
            raise_on_error=False,
            run_config=config or None,
        )

    def note_loaded(self, *months: str) -> None:
        """Record the months as loaded as they are on the server; a run of each would take two seconds."""
        for month in months:
            path = f"trip-data/{GREEN.file_name(Month.parse(month))}"
            body, etag = self.cdn.files[path]
            url, sha256 = f"{self.cdn.url}/{path}", hashlib.sha256(body).hexdigest()
            raw = RawFile(self._published, url, len(body), sha256, ROWS, etag)
            facts = raw_metadata(raw, uri=f"file:///{path}", seconds=1.0)
            for layer in LAYERS:
                event = dg.AssetMaterialization(
                    dg.AssetKey(GREEN.key(layer)), partition=month, metadata=facts if layer is Layer.RAW else {}
                )
                self.instance.report_runless_asset_event(event)

    def tick(self, sensor: str) -> tuple[list[str], str | None]:
        """One tick of the sensor: the partitions that it requests runs for, and what it says otherwise."""
        definitions = self.definitions
        watching = definitions.get_repository_def().get_sensor_def(sensor)
        needed = {name: (definitions.resources or {})[name] for name in watching.required_resource_keys}
        with dg.build_sensor_context(
            self.instance, cursor=self.cursors.get(sensor), definitions=definitions, resources=needed
        ) as context:
            data = watching.evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        for event in data.asset_events:  # as the daemon does
            self.instance.report_runless_asset_event(event)
        return [request.partition_key or "" for request in data.run_requests or []], data.skip_message

    def cursor(self, sensor: str) -> dict[str, Any]:
        return json.loads(self.cursors[sensor] or "{}")
