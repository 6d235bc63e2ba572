"""Rows of the zone lookup's CSV; `N/A` is a string in it, not NULL."""

import pyarrow as pa

from taxi_assets.catalog import ZONES_SCHEMA
from taxi_assets.cleaning.provenance import file_provenance, with_file_provenance
from taxi_assets.raw_file import RawFile
from taxi_assets.stores.rows import PROVENANCE, Rows


def zone_rows(raw: RawFile) -> Rows:
    """The zones in the file as rows with provenance; the source has verified the file."""
    from pyarrow import csv

    options = csv.ConvertOptions(strings_can_be_null=False, column_types={"LocationID": pa.int16()})
    table = csv.read_csv(raw.path, convert_options=options).rename_columns(ZONES_SCHEMA.names)
    provenance = {**file_provenance(raw, "zones"), f"{PROVENANCE}source_rows": str(table.num_rows)}
    return with_file_provenance(Rows.from_table(table).with_schema(ZONES_SCHEMA), provenance)
