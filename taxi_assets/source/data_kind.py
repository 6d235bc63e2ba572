"""The kind of data in a home, TLC's or synthetic, recorded in its file `source.json`; the two never mix.

Joins, checks that compare months and the zones on a page are valid within one kind only. The first ingest writes the
file; where it is missing or damaged, the provenance of the lake's months decides. Not here: how a file is recognised
as synthetic (`synthetic`).
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_assets.catalog import DATASETS, Layer
from taxi_assets.errors import InvalidRequest, StoreError, StoreUnavailable
from taxi_assets.raw_file import RawFile
from taxi_assets.settings import TLC_CDN
from taxi_assets.source.synthetic import is_sample_url, is_synthetic, is_synthetic_provenance
from taxi_assets.stores.os_errors import disk_failures

if TYPE_CHECKING:
    from taxi_assets.stores.lake import Lake


_DEMO = "demo"  # folder in a home, and itself the home of `make demo`


@dataclass(frozen=True)
class SourceRecord:
    """A home's record of its kind of data.

    Attributes:
        path: of `source.json`.
    """

    path: Path

    def is_synthetic(self) -> bool | None:
        """Whether the home holds synthetic data; None where the record is missing or damaged."""
        try:
            found = json.loads(self.path.read_text())["synthetic"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, bool) else None

    def check_url(self, url: str) -> None:
        """Refuse a source of the other kind before a download, where the URL identifies the kind (the CDN, `sample`).

        Raises:
            InvalidRequest: the home holds the other kind.
        """
        if is_sample_url(url) or url.startswith(TLC_CDN):
            self._require_kind(self.is_synthetic(), is_sample_url(url), url)

    def check_and_record(self, raw: RawFile, lake: "Lake") -> None:
        """Check that the file is of the home's kind of data, and record the kind.

        Args:
            raw: the file to be stored.
            lake: the home's lake, whose months decide where there is no record.

        Raises:
            InvalidRequest: the home holds the other kind.
            StoreError: the record cannot be written.
        """
        synthetic = is_synthetic(raw.path)
        if self.is_synthetic() == synthetic:
            return
        with disk_failures(self.path.parent), self._locked():
            held = self.is_synthetic()
            self._require_kind(_kind_of(lake) if held is None else held, synthetic, raw.url)
            fresh = self.path.with_name(f"{self.path.name}.new")
            fresh.write_text(json.dumps({"synthetic": synthetic, "first_file": raw.url}))
            fresh.replace(self.path)

    def _require_kind(self, held: bool | None, synthetic: bool, url: str) -> None:
        if held is None or held == synthetic:
            return
        home = self.path.parent
        kinds = {True: "synthetic data", False: "TLC's data"}
        other = home / _DEMO if synthetic else home.parent if home.name == _DEMO else home.with_name(f"{home.name}-tlc")
        raise InvalidRequest(
            f"{home} holds {kinds[held]}, and {url} is {kinds[synthetic]}: the two do not mix. Give each a home of "
            f"its own, for example TAXI_HOME={other}"
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _kind_of(lake: "Lake") -> bool | None:
    """Whether the lake's months are synthetic; None where it has no readable month."""
    for dataset in DATASETS:
        table = dataset.path(Layer.CLEAN)
        for month in reversed(lake.months(table)):
            try:
                return is_synthetic_provenance(lake.read(table, [month]).provenance)
            except StoreUnavailable:
                raise
            except StoreError:
                continue
    return None
