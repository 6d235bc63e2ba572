"""A dataset's daily summary: one DataFrame, kept in Postgres and in the warehouse; the example for your own assets."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from taxi_assets.assets.monthly_trips import FOLLOW_CLEAN, OWNERS, tags_of
from taxi_assets.catalog import Dataset, daily_schema, daily_table
from taxi_assets.io_managers.common import named_failures
from taxi_assets.io_managers.metadata import COLUMN_SCHEMA
from taxi_assets.partitions import months_of
from taxi_assets.resources import ScratchResource
from taxi_assets.stores.arrow import description
from taxi_assets.stores.rows import Rows

STORES = ("postgres", "warehouse")


def daily_assets(dataset: Dataset, kinds: Mapping[str, str]) -> dg.AssetsDefinition:
    """The two tables of the summary; `kinds` tells the technology of each role, for the UI."""
    schema = daily_schema(dataset)
    # A DataFrame's columns say nothing of themselves: the IO managers take it from here, for comments in the stores.
    columns = dg.TableSchema([dg.TableColumn(one.name, str(one.type), description(one)) for one in schema])

    @dg.multi_asset(
        name=daily_table(dataset),
        ins={"clean": dg.AssetIn(["clean", dataset.table])},
        outs={
            store: dg.AssetOut(
                key=[store, daily_table(dataset)],
                description=description(schema),
                io_manager_key=store,
                is_required=False,
                kinds={"pandas", kinds[store]},
                metadata={COLUMN_SCHEMA: columns},
                automation_condition=FOLLOW_CLEAN,
                owners=OWNERS,
                tags=tags_of(dataset, store),
            )
            for store in STORES
        },
        can_subset=True,
        partitions_def=months_of(dataset),
        group_name=dataset.name,
    )
    def summed_up(
        context: dg.AssetExecutionContext, scratch: ScratchResource, clean: Rows
    ) -> Iterator[dg.Output[Any]]:  # pandas.DataFrame, which would be imported whenever the definitions load
        from taxi_assets.report import daily_trips

        with named_failures(), scratch.folder() as folder:
            frame = daily_trips(clean, dataset, folder)
            for store in STORES:
                if store in context.op_execution_context.selected_output_names:
                    yield dg.Output(frame, store)

    return summed_up
