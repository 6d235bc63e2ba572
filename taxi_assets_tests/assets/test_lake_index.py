"""The index as an asset: current after every run that stores a page, and no page is lost for it."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from taxi_assets.report.links import INDEX_FILE, INDEX_FOLDER

from .conftest import MONTH, Project
from .test_report import PAGE

NEXT = "2024-02"
INDEX = dg.AssetKey(["lake", "index"])


def index_file(project: Project) -> Path:
    return Path(project.settings.lake) / INDEX_FOLDER / INDEX_FILE


def page_file(project: Project, month: str) -> Path:
    return Path(project.settings.lake) / "green" / "report" / f"green_trips_{month}.html"


def rebuild(project: Project) -> dg.ExecuteInProcessResult:
    return project.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[INDEX], instance=project.instance
    )


def test_a_run_of_a_month_updates_the_index_and_reports_it(project: Project) -> None:
    result = project.run("green_trips_job", MONTH, *PAGE)
    assert "green_trips_2024-01.html" in index_file(project).read_text(encoding="utf-8")
    [event] = [event for event in result.all_events if event.asset_key == INDEX and event.is_step_materialization]
    assert event.materialization.metadata["dagster/uri"].value == index_file(project).as_uri()
    assert event.materialization.metadata["taxi/months"].value >= 1
    assert project.instance.get_latest_materialization_event(INDEX) is not None


def test_materializing_the_index_rebuilds_it_from_the_pages(project: Project) -> None:
    project.run("green_trips_job", MONTH, *PAGE)
    whole = index_file(project).read_text(encoding="utf-8")
    index_file(project).unlink()
    assert rebuild(project).success
    assert index_file(project).read_text(encoding="utf-8") == whole


def test_an_index_that_cannot_be_written_is_a_warning_and_costs_no_page(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(index_file(project).parent, ignore_errors=True)  # it is there where another test ran before
    index_file(project).parent.parent.mkdir(exist_ok=True)
    index_file(project).parent.write_text("a file is in the way")
    project.run("green_trips_job", NEXT, *PAGE)  # succeeds
    assert "the page is stored, but the index of all months lacks it" in capfd.readouterr().err
    assert page_file(project, NEXT).exists()
    assert not rebuild_succeeds(project)
    index_file(project).parent.unlink()
    project.run("green_trips_job", MONTH, *PAGE)
    assert f"green_trips_{NEXT}.html" in index_file(project).read_text(encoding="utf-8")


def rebuild_succeeds(project: Project) -> bool:
    return (
        project.definitions.resolve_implicit_global_asset_job_def()
        .execute_in_process(asset_selection=[INDEX], instance=project.instance, raise_on_error=False)
        .success
    )
