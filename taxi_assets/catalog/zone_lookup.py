"""The taxi zones, not by month: the lookup, one small table published as CSV, and the shapes, a zipped shapefile."""

import pyarrow as pa

from taxi_assets.catalog.model import table_hints

ZONES_TABLE = "taxi_zones"
ZONES_FILE = "taxi_zone_lookup.csv"
SHAPES_FILE = "taxi_zones.zip"
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
    metadata=table_hints("TLC's 265 taxi zones, which the location ids of the trips refer to.", "zones"),
)
