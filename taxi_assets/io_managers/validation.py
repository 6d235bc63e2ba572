"""Checks of definitions: whether each asset can be stored by its IO manager, before anything is computed."""

from collections.abc import Iterator

import dagster as dg

from taxi_assets.errors import InvalidRequest, SchemaMismatch
from taxi_assets.io_managers.lake import BaseLakeIOManager
from taxi_assets.io_managers.partitions import partition_of
from taxi_assets.io_managers.tables import TABLE_NAME, TableIOManager
from taxi_assets.stores.partition import Named, Partition, Window


def storable(definitions: dg.Definitions) -> dg.Definitions:
    """Check that the IO managers of this package can store each asset, and return the definitions.

    Raises:
        InvalidRequest: two assets would write to one table, a store has no partitions of an asset's kind, or a table
            has a name that the store reserves; the text names the assets and the way out.
    """
    resources = definitions.resources or {}
    owners: dict[tuple[int, str], dg.AssetKey] = {}
    for asset in definitions.assets or ():
        if not isinstance(asset, dg.AssetsDefinition):
            continue
        for spec in asset.specs:
            manager = {**resources, **asset.resource_defs}.get(asset.get_io_manager_key_for_asset_key(spec.key))
            if not isinstance(manager, TableIOManager | BaseLakeIOManager):
                continue
            _require_partitions(manager, spec.key, asset.partitions_def)
            if isinstance(manager, TableIOManager):
                _require_own_table(manager, spec, owners)
    return definitions


def _require_partitions(
    manager: TableIOManager | BaseLakeIOManager, key: dg.AssetKey, definition: dg.PartitionsDefinition[str] | None
) -> None:
    try:
        for partition in _examples(definition):
            manager.require_partition(partition)
    except SchemaMismatch as error:
        raise InvalidRequest(f"{key.to_user_string()} cannot be stored: {error}") from error


def _examples(definition: dg.PartitionsDefinition[str] | None) -> Iterator[Partition]:
    """A window, of which all are alike, or any name."""
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        window = definition.get_next_partition_window(definition.start, respect_bounds=False)
        if window is not None:
            yield Window.between(window.start, window.end)
    elif isinstance(definition, dg.MultiPartitionsDefinition):
        yield partition_of(definition, "")
    elif definition is not None:
        yield Named("any name")


def _require_own_table(manager: TableIOManager, spec: dg.AssetSpec, owners: dict[tuple[int, str], dg.AssetKey]) -> None:
    name = spec.metadata.get(TABLE_NAME)
    table = spec.key.path[-1] if name is None else str(getattr(name, "value", name)).split(".")[-1]
    if table in manager.reserved_tables:
        raise InvalidRequest(
            f"{spec.key.to_user_string()} cannot be stored: its store keeps records of its own in a table {table}. "
            f"Name another one by the metadata {TABLE_NAME}"
        )
    owner = owners.setdefault((id(manager), table.lower()), spec.key)
    if owner != spec.key:
        raise InvalidRequest(
            f"{owner.to_user_string()} and {spec.key.to_user_string()} would both be stored in the table {table}, and "
            f"each would replace the other: name another table for one of them by the metadata {TABLE_NAME}"
        )
