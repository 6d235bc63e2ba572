"""The tables keep up with a real server while the real daemon runs, with nobody watching."""

import re
from pathlib import Path

import httpx
import pytest

from taxi_assets.month import Month
from taxi_assets_tests.source.cdn import Answer

from .backfills import stored_rows
from .watched import GREEN, Watch, after_ticks, clean_rows, publish, run_records, runs, start_sensor, ticks, until

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(900), pytest.mark.xdist_group("watch")]

JULY, AUGUST, SEPTEMBER, OCTOBER = (Month.current().plus(-ago) for ago in (4, 3, 2, 1))  # the last four that are over


def test_the_tables_keep_up_with_the_server(watch: Watch, tmp_path: Path) -> None:
    machine, cdn = watch.machine, watch.cdn

    def alerts() -> list[str]:
        return [text for text in watch.alerts if GREEN.name in text]

    publish(cdn, tmp_path, JULY, '"july"', 3_000)
    start_sensor(machine)
    until(lambda: any(f"watched from {AUGUST} on" in (tick["skipReason"] or "") for tick in ticks(machine)))

    publish(cdn, tmp_path, AUGUST, '"first"', 3_000)  # it comes out, and is loaded everywhere
    until(lambda: runs(machine) == [(str(AUGUST), "SUCCESS")])
    expected = {store: {AUGUST: clean_rows(AUGUST, 3_000)} for store in ("clean", "postgres", "warehouse")}
    stored = stored_rows(machine, GREEN, [AUGUST])
    assert {store: stored[store] for store in expected} == expected

    cdn.put(f"trip-data/{GREEN.file_name(AUGUST)}", cdn.files[f"trip-data/{GREEN.file_name(AUGUST)}"][0], '"touched"')
    after_ticks(machine, 4)  # the same bytes under another ETag: nothing happens
    assert runs(machine) == [(str(AUGUST), "SUCCESS")]

    publish(cdn, tmp_path, AUGUST, '"second"', 2_500)  # other bytes: that month alone is loaded again
    until(lambda: runs(machine) == [(str(AUGUST), "SUCCESS")] * 2)
    stored = stored_rows(machine, GREEN, [AUGUST])
    assert stored["postgres"] == stored["warehouse"] == {AUGUST: clean_rows(AUGUST, 2_500)}

    cdn.answers.extend([Answer(status=503)] * 1_000)  # down, while a month comes out: nothing is lost
    publish(cdn, tmp_path, SEPTEMBER, '"september"', 3_000)
    after_ticks(machine, 3)
    assert {tick["status"] for tick in ticks(machine)} <= {"SKIPPED", "SUCCESS", "STARTED"}
    assert len(runs(machine)) == 2
    cdn.answers.clear()
    until(lambda: runs(machine)[-1] == (str(SEPTEMBER), "SUCCESS"))
    assert len(runs(machine)) == 3
    assert stored_rows(machine, GREEN, [SEPTEMBER])["postgres"][SEPTEMBER] == clean_rows(SEPTEMBER, 3_000)
    assert alerts() == []

    cdn.put(f"trip-data/{GREEN.file_name(OCTOBER)}", b"<html>maintenance</html>")  # out, and broken: an alert
    until(lambda: runs(machine)[-1] == (str(OCTOBER), "FAILURE"))
    until(lambda: len(alerts()) > 0)
    [text] = alerts()
    assert text.startswith(f"*ERROR green {OCTOBER}*\nERROR green/raw_trips: BadFile: ")
    assert "t0ken" not in text
    link = re.search(r"<(http://\S+/runs/(\S+))\|open the run>", text)
    assert link is not None
    assert httpx.get(link[1]).status_code == 200
    assert link[2] in str(run_records(machine))

    publish(cdn, tmp_path, OCTOBER, '"mended"', 3_000)  # and mended: it is loaded without anybody's help
    until(lambda: runs(machine)[-1] == (str(OCTOBER), "SUCCESS"))
    assert stored_rows(machine, GREEN, [OCTOBER])["postgres"][OCTOBER] == clean_rows(OCTOBER, 3_000)
    assert len(alerts()) == 1
