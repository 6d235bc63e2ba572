"""Three assets: stations by name, readings by the hour, summaries by the day.

Each of them returns rows and names an IO manager. None knows where its rows go.
"""

import dagster as dg
import pandas as pd

from weather.network import ELEVATION_M, StationNetwork

HOURS = dg.HourlyPartitionsDefinition("2024-06-01-00:00")
DAYS = dg.DailyPartitionsDefinition("2024-06-01")
STATIONS = dg.StaticPartitionsDefinition(sorted(ELEVATION_M))
IN_ONE_RUN = dg.BackfillPolicy.single_run()


@dg.asset(
    partitions_def=STATIONS,
    backfill_policy=IN_ONE_RUN,
    io_manager_key="places",
    metadata={"partition_expr": "station"},
)
def stations(context: dg.AssetExecutionContext) -> pd.DataFrame:
    """Where the stations are: a row each, which says by its key column which partition it is."""
    keys = context.partition_keys
    return pd.DataFrame({"station": keys, "elevation_m": [ELEVATION_M[key] for key in keys]})


@dg.asset(
    partitions_def=HOURS, backfill_policy=IN_ONE_RUN, io_manager_key="series", metadata={"partition_expr": "hour"}
)
def readings(context: dg.AssetExecutionContext, network: StationNetwork) -> dict[str, pd.DataFrame]:
    """What was measured: a frame for each hour of the run."""
    return {key: network.hour(HOURS.time_window_for_partition_key(key).start) for key in context.partition_keys}


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=IN_ONE_RUN,
    io_manager_key="series",
    metadata={"partition_expr": "day"},
    ins={
        "readings": dg.AssetIn(metadata={"allow_missing_partitions": True}),  # a day with a gap has a summary, too
        "stations": dg.AssetIn(partition_mapping=dg.AllPartitionMapping()),
    },
)
def daily_summary(readings: pd.DataFrame, stations: pd.DataFrame) -> pd.DataFrame:
    """The days of the run in one frame, by station: the key column `day` says which row is of which partition."""
    by_day = readings.assign(day=readings["measured_at"].dt.date).groupby(["day", "station"])
    summary = by_day.agg(readings=("celsius", "size"), mean_celsius=("celsius", "mean"), rain_mm=("rain_mm", "sum"))
    if "wind_kmh" in readings:
        summary["max_wind_kmh"] = by_day["wind_kmh"].max()
    return summary.reset_index().merge(stations[["station", "elevation_m"]], on="station")
