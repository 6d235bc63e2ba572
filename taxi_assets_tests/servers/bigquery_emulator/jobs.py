"""Jobs under the client's ids: they run on when the client has gone, and an id is taken once."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

from bqemulator.api.dependencies import AppContext, get_caller, get_context
from bqemulator.api.routes import jobs as emulator
from bqemulator.catalog.duckdb_repository import DuckDBCatalogRepository
from bqemulator.catalog.etag import generate_etag
from bqemulator.catalog.models import JobMeta
from bqemulator.domain.errors import AlreadyExistsError
from fastapi import APIRouter, Request

from taxi_assets_tests.servers.bigquery_emulator.loads import Load, load_parquet

# A load that is done by then is answered as done, which spares the client a second of waiting between two questions.
SECONDS_TO_ANSWER = 5

router = APIRouter(prefix="/bigquery/v2")
_running: set[asyncio.Task[None]] = set()
_query_locations: dict[str, str] = {}


@router.post("/projects/{project_id}/jobs")
async def insert_job(project_id: str, request: Request) -> dict[str, Any]:
    """Insert a job under the client's id, or say that the id is taken."""
    context = get_context(request)
    body = await request.json()
    job_id = body.get("jobReference", {}).get("jobId")
    refuse_taken(context, project_id, job_id)
    if "load" in body.get("configuration", {}):
        return await run_load(context, project_id, body)
    job = await emulator.insert_job(project_id, request, context, get_caller(request))
    _query_locations[job["jobReference"]["jobId"]] = body.get("jobReference", {}).get("location") or "US"
    return _located(context, job)


@router.get("/projects/{project_id}/jobs/{job_id}")
async def get_job(project_id: str, job_id: str, request: Request) -> dict[str, Any]:
    """Answer with the job where it ran."""
    context = get_context(request)
    found = emulator.get_job(project_id, job_id, context)
    return _located(context, found)


def refuse_taken(context: AppContext, project_id: str, job_id: str | None) -> None:
    if job_id and context.catalog.get_job(project_id, job_id):
        raise AlreadyExistsError(f"Already Exists: Job {project_id}:{job_id}")


async def run_load(
    context: AppContext, project_id: str, body: dict[str, Any], uploaded: Path | None = None
) -> dict[str, Any]:
    """Start a load job, which goes on whatever happens to the request, and answer with it."""
    job_id = body.get("jobReference", {}).get("jobId") or f"bqemu_{uuid4().hex[:12]}"
    refuse_taken(context, project_id, job_id)
    now = context.clock.now()
    job = JobMeta(
        project_id=project_id,
        job_id=job_id,
        job_type="LOAD",
        state="RUNNING",
        configuration=body["configuration"],
        creation_time=now,
        start_time=now,
        etag=generate_etag(project_id, job_id, str(now)),
    )
    context.catalog.upsert_job(job)
    task = asyncio.create_task(_finish_load(context, job, uploaded))
    _running.add(task)
    task.add_done_callback(_running.discard)
    await asyncio.wait([task], timeout=SECONDS_TO_ANSWER)
    job = context.catalog.get_job(project_id, job_id)
    return _located(context, emulator._build_job_response(project_id, job_id, job, job.configuration))


async def _finish_load(context: AppContext, job: JobMeta, uploaded: Path | None) -> None:
    """Run a load beside the event loop: loads one after another, readers beside them."""
    try:
        async with context.engine.write_lock():
            done = await asyncio.to_thread(load_parquet, context, job, uploaded)
    except Exception as failure:  # noqa: BLE001 - a job that never ends would keep its client waiting
        done = _failed(job, "internalError", f"{type(failure).__name__}: {failure}")
    context.catalog.upsert_job(done)
    if uploaded:
        uploaded.unlink()


def fail_interrupted(context: AppContext) -> None:
    """Say of the jobs that ran when the server was killed what became of them: nothing, their transaction is gone."""
    for job in list(context.catalog._cache._jobs.values()):
        if job.state != "DONE":
            message = "The server was restarted while the job ran. Retry the job."
            context.catalog.upsert_job(_failed(job, "backendError", message))


def install() -> None:
    """Write no query's job to the disk: its result does not outlive the server either."""
    write = DuckDBCatalogRepository._write_job

    def write_if_it_lasts(catalog: DuckDBCatalogRepository, job: JobMeta) -> None:
        if job.job_type != "QUERY":
            write(catalog, job)

    DuckDBCatalogRepository._write_job = write_if_it_lasts


def _failed(job: JobMeta, reason: str, message: str) -> JobMeta:
    return job.model_copy(update={"state": "DONE", "error_result": {"reason": reason, "message": message}})


def _located(context: AppContext, job: dict[str, Any]) -> dict[str, Any]:
    """Put a load where its dataset is and a query where it was sent; the emulator has everything in the US."""
    configuration, reference = job["configuration"], job["jobReference"]
    if "load" in configuration:
        load = Load.from_configuration(configuration, reference["projectId"])
        dataset = context.catalog.get_dataset(load.project, load.dataset)
        location = dataset.location if dataset else "US"
    else:
        location = _query_locations.get(reference["jobId"], "US")
    reference["location"] = location
    return job
