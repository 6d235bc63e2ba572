"""Checks of definitions: whether each asset can be stored by its IO manager, before anything is computed."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from taxi_assets.errors import InvalidRequest, SchemaMismatch
from taxi_assets.io_managers.lake import BaseLakeIOManager
from taxi_assets.io_managers.partitions import partition_of
from taxi_assets.io_managers.table_names import PARTITION_EXPR, TABLE_NAME, require_schema, table_of, text_in
from taxi_assets.io_managers.tables import TableIOManager
from taxi_assets.stores.lake.layout import own_folder
from taxi_assets.stores.partition import Named, Partition, Window, key_column


@dataclass(frozen=True)
class _Kept:
    """A table that an asset is kept in."""

    key: dg.AssetKey
    table: str
    partitions: list[Partition]


def storable(definitions: dg.Definitions) -> dg.Definitions:
    """Check that the IO managers of this package can store each asset, and return the definitions.

    Assets that return nothing, as those in SQL, are stored by no IO manager, and are not checked.

    Raises:
        InvalidRequest: two assets would write to one table, a store has no partitions of an asset's kind, or a name is
            too long for the store, reserved, or not accepted; the text names the assets and the way out.
    """
    resources = definitions.resources or {}
    tables: dict[tuple[object, ...], list[_Kept]] = defaultdict(list)
    folders: dict[tuple[object, ...], dg.AssetKey] = {}
    for asset in definitions.assets or ():
        if not isinstance(asset, dg.AssetsDefinition):
            continue
        for spec in asset.specs:
            manager = _io_manager(asset, spec.key, resources)
            if manager is None:
                continue
            try:
                partitions = _examples(spec.partitions_def)
                for partition in partitions:
                    manager.require_partition(partition)
                if isinstance(manager, TableIOManager):
                    kept = _kept(manager, spec, partitions)
                    _require_own_table(manager, kept, tables[manager.place()])
                else:
                    _require_own_folder(manager, spec.key, folders)
            except SchemaMismatch as error:
                raise InvalidRequest(f"{spec.key.to_user_string()} cannot be stored: {error}") from error
    return definitions


def _io_manager(
    asset: dg.AssetsDefinition, key: dg.AssetKey, resources: Mapping[str, Any]
) -> TableIOManager | BaseLakeIOManager | None:
    """The IO manager of this package that stores the asset; None where another one does, or none."""
    if asset.is_executable:
        output = asset.node_def.output_def_named(asset.get_output_name_for_asset_key(key))
        if output.dagster_type.is_nothing:
            return None
    found = {**resources, **asset.resource_defs}.get(asset.get_io_manager_key_for_asset_key(key))
    if isinstance(found, dg.ResourceDefinition):  # what Dagster makes of an asset's own `io_manager_def`
        found = getattr(found.resource_fn, "__self__", None)
    return found if isinstance(found, TableIOManager | BaseLakeIOManager) else None


def _examples(definition: dg.PartitionsDefinition[str] | None) -> list[Partition]:
    """A window, of which all are alike, the names, or any name where these are not known yet."""
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        window = definition.get_next_partition_window(definition.start, respect_bounds=False)
        return [] if window is None else [Window.between(window.start, window.end)]
    if isinstance(definition, dg.StaticPartitionsDefinition):
        return [Named(name) for name in definition.get_partition_keys()]
    return [] if definition is None else [partition_of(definition, "any name")]


def _kept(manager: TableIOManager, spec: dg.AssetSpec, partitions: list[Partition]) -> _Kept:
    """The table of the asset, under a name that the store can have.

    Raises:
        InvalidRequest: the metadata names a table in another schema, or one that the store keeps for itself.
        SchemaMismatch: a name is too long, or not accepted.
    """
    schema, table = table_of(spec.key, spec.metadata)
    own = manager.schema_path()
    if not any(isinstance(part, dg.EnvVar) for part in own):
        require_schema(spec.key, schema, own)
    columns = [key_column(text_in(spec.metadata, PARTITION_EXPR) or manager.key_column, one) for one in partitions[:1]]
    manager.require_names(table, columns, partitions)
    audit = [] if manager.audit_table is None else [manager.audit_table]
    for reserved in (*manager.reserved_tables, *audit):
        if manager.same_table(table, partitions, reserved):
            raise InvalidRequest(
                f"{spec.key.to_user_string()} cannot be stored: its store keeps records of its own in a table "
                f"{reserved}. Name another one by the metadata {TABLE_NAME}"
            )
    return _Kept(spec.key, table, partitions)


def _require_own_table(manager: TableIOManager, kept: _Kept, others: list[_Kept]) -> None:
    for other in others:
        if other.key != kept.key and (
            manager.same_table(other.table, other.partitions, kept.table)
            or manager.same_table(kept.table, kept.partitions, other.table)
        ):
            raise InvalidRequest(
                f"{other.key.to_user_string()} and {kept.key.to_user_string()} would both be stored in the table "
                f"{min(kept.table, other.table, key=len)}, and each would replace the other: name another table for "
                f"one of them by the metadata {TABLE_NAME}"
            )
    others.append(kept)


def _require_own_folder(
    manager: BaseLakeIOManager, key: dg.AssetKey, owners: dict[tuple[object, ...], dg.AssetKey]
) -> None:
    folder = own_folder("/".join(key.path))
    owner = owners.setdefault((*manager.place(), folder), key)
    if owner != key:
        raise InvalidRequest(
            f"{owner.to_user_string()} and {key.to_user_string()} would both be stored in the folder {folder}, and "
            "each would replace the other: give one of them another key"
        )
