"""The taxi zones, unpartitioned: file names, CSV header and schema of the lookup table, and the zipped shapefile."""

import pyarrow as pa

from taxi_assets.catalog.model import MISC_FOLDER, table_hints

LAST_ZONE = 265  # zone ids are 1 to this one
ZONES_TABLE = "taxi_zones"
ZONES_FILE = "taxi_zone_lookup.csv"
ZONES_PATH = f"{MISC_FOLDER}/{ZONES_FILE}"  # paths are relative to the CDN's root
SHAPES_FILE = "taxi_zones.zip"
SHAPES_PATH = f"{MISC_FOLDER}/{SHAPES_FILE}"
ZONES_HEADER = ("LocationID", "Borough", "Zone", "service_zone")
ZONES_SCHEMA = pa.schema(
    [
        pa.field(
            "location_id",
            pa.int16(),
            nullable=False,
            metadata={"description": "Taxi zone; 264 is unknown, 265 outside New York."},
        ),
        pa.field(
            "borough",
            pa.string(),
            metadata={"description": "Borough, EWR for Newark airport, or the text Unknown or N/A."},
        ),
        pa.field(
            "zone", pa.string(), metadata={"description": "Name of the zone; N/A is a text here, not a missing value."}
        ),
        pa.field(
            "service_zone",
            pa.string(),
            metadata={"description": "Which taxis may pick up there: Yellow Zone, Boro Zone, Airports, EWR or N/A."},
        ),
    ],
    metadata=table_hints(f"TLC's {LAST_ZONE} taxi zones, which the location ids of the trips refer to.", "zones"),
)
