"""Daily summary of a dataset: one DataFrame, loaded into Postgres and the warehouse. An example for assets of your own.

The columns are defined in the catalogue, the aggregation in `report.daily`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from taxi_assets.assets.monthly_trips import FOLLOW_CLEAN
from taxi_assets.assets.specs import io_manager_key, table_in
from taxi_assets.catalog import DAILY_IN, Dataset, Layer, daily_schema, daily_table
from taxi_assets.io_managers.common import map_errors_to_failures
from taxi_assets.io_managers.metadata import COLUMN_SCHEMA
from taxi_assets.partitions import months_of
from taxi_assets.resources import ScratchResource
from taxi_assets.settings.places import Role
from taxi_assets.stores.arrow import description
from taxi_assets.stores.rows import Rows


def daily_assets(dataset: Dataset, roles: Mapping[str, Role]) -> dg.AssetsDefinition:
    """The summary's tables in Postgres and in the warehouse; `roles` maps a store to its technology."""
    schema = daily_schema(dataset)
    # A DataFrame has no column descriptions: the IO managers take the comments of the tables from here.
    columns = dg.TableSchema([dg.TableColumn(one.name, str(one.type), description(one)) for one in schema])

    @dg.multi_asset(
        name=f"{dataset.name}__daily_trips",
        ins={"clean": dg.AssetIn(dataset.key(Layer.CLEAN))},
        outs={
            store.value: dg.AssetOut(
                key=dataset.key(layer),
                description=description(schema),
                io_manager_key=io_manager_key(store),
                is_required=False,
                metadata={COLUMN_SCHEMA: columns, **table_in(roles[store], daily_table(dataset))},
                automation_condition=FOLLOW_CLEAN,
            )
            for store, layer in DAILY_IN.items()
        },
        can_subset=True,
        partitions_def=months_of(dataset),
        group_name=dataset.name,
    )
    def daily_trips(
        context: dg.AssetExecutionContext, scratch: ScratchResource, clean: Rows
    ) -> Iterator[dg.Output[Any]]:  # pandas.DataFrame; importing it would slow down loading the definitions
        from taxi_assets.report import daily_trips as summarized

        with map_errors_to_failures(), scratch.folder() as folder:
            frame = summarized(clean, dataset, folder)
            for store in DAILY_IN:
                if store in context.op_execution_context.selected_output_names:
                    yield dg.Output(frame, store.value)

    return daily_trips
