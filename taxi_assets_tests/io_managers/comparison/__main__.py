"""Write the table of cases into docs/io-managers.md, from a run."""

import tempfile
from pathlib import Path

from taxi_assets.stores.postgres.embedded import embedded_url
from taxi_assets_tests.io_managers.comparison.cases import GROUPS
from taxi_assets_tests.io_managers.comparison.outcomes import DOCUMENT, OURS, STOCK, documented, outcomes_of, table
from taxi_assets_tests.stores.servers import folder_for_server


def main() -> None:
    """Run all cases, each with every IO manager."""
    with tempfile.TemporaryDirectory() as folder, folder_for_server() as server:
        url = embedded_url(server)
        cases = [case for group in GROUPS.values() for case in group]
        found = {name: outcomes_of(name, Path(folder) / name, url, cases) for name in (*OURS, STOCK)}
    DOCUMENT.write_text(DOCUMENT.read_text().replace(documented(), table(found)))


if __name__ == "__main__":
    main()
