"""NYC taxi trip records, loaded month by month into an object store, Postgres and a warehouse.

The package has five floors over plain values, and imports go down only (`docs/architecture.md` has the tree):

5. `cli`, `definitions`: commands, and the composition root.
4. `assets`, `checks`, `automation`, `jobs`, `partitions`: Dagster objects with bodies of a few lines.
3. `io_managers`, `resources`: Dagster on one side, floor 2 on the other.
2. `source`, `sample`, `cleaning`, `stores`, `report`: do the work and import no Dagster.
1. `catalog`: what TLC publishes, as data.
0. `settings`, `errors`, `month`, `raw_file`: plain values; only `settings` reads the environment.
"""
