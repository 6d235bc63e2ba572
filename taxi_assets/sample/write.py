"""Write a synthetic month as a Parquet file."""

from pathlib import Path

from taxi_assets.catalog import Dataset
from taxi_assets.month import Month
from taxi_assets.sample.defect_plan import DEFAULT_ROWS, plan_month
from taxi_assets.source.synthetic import SYNTHETIC, SYNTHETIC_NOTICE


def write_month(dataset: Dataset, month: Month, path: Path, *, rows: int = DEFAULT_ROWS) -> None:
    """Write the month's file, always the same bytes, labelled as synthetic; memory does not grow with the rows.

    Raises:
        InvalidRequest: the number of rows is out of range, or the month is before the dataset's first.
    """
    import pyarrow.parquet as pq

    from taxi_assets.sample.batches import month_batches, month_schema

    plan = plan_month(dataset, month, rows)
    with pq.ParquetWriter(path, month_schema(plan).with_metadata({SYNTHETIC: SYNTHETIC_NOTICE})) as writer:
        for batch in month_batches(plan):
            writer.write_batch(batch)
