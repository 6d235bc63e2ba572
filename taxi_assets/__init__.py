"""NYC taxi trip records as Dagster assets, loaded by month into a data lake, Postgres and a warehouse.

The modules form floors 0 to 5, and imports only go down (`docs/architecture.md` shows them):

5. `cli`, `definitions`: the command line and the composition root.
4. `assets`, `checks`, `automation`, `jobs`, `partitions`: Dagster definitions with short bodies.
3. `io_managers`, `resources`: connect Dagster with floor 2.
2. `source`, `sample`, `cleaning`, `stores`, `report`: do the work, without Dagster.
1. `catalog`: TLC's datasets, columns, eras, rules and row counts, as data.
0. `settings`, `errors`, `month`, `raw_file`: plain values.
"""
