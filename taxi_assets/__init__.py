"""NYC taxi trip records, loaded month by month into an object store, Postgres and a warehouse.

The package has four floors and imports go down only (`docs/architecture.md` draws them):

4. `definitions`, `settings`, `cli`: the composition root, and the only readers of the environment.
3. `assets`, `checks`, `jobs`, `partitions`: Dagster objects with bodies of a few lines.
2. `io_managers`, `resources`, `metadata`: Dagster on one side, floor 1 on the other.
1. `source`, `cleaning`, `stores`, `sample`: do the work and know no Dagster.
0. `catalog`, `month`, `errors`: what TLC publishes, as data, and the words the floors share.
"""
