"""Load jobs whose file comes with them, streamed to disk and run under the client's job id."""

import json
from collections.abc import AsyncIterator
from email.message import Message
from pathlib import Path
from typing import Any

from bqemulator.api.dependencies import get_context
from bqemulator.domain.errors import NotFoundError, ValidationError
from bqemulator.jobs.upload_session_manager import UploadSession
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from taxi_assets_tests.servers.bigquery_emulator.jobs import refuse_taken, run_load
from taxi_assets_tests.servers.bigquery_emulator.recording import note_body

LONGEST_HEADER = 1 << 20  # of a multipart body: its boundaries and the job

router = APIRouter(prefix="/upload/bigquery/v2")
_finished: dict[str, dict[str, Any]] = {}


@router.post("/projects/{project_id}/jobs")
async def begin(project_id: str, request: Request) -> Response:
    """Take a multipart upload as a whole, or give a resumable one its address."""
    manager = get_context(request).upload_sessions
    if request.query_params.get("uploadType") == "multipart":
        session = manager.create(project_id, {})
        job = await _receive_multipart(request, session.staging_path)
        return await _run(request, session, job)
    job = await request.json()
    refuse_taken(get_context(request), project_id, job.get("jobReference", {}).get("jobId"))
    session = manager.create(project_id, job)
    query = f"uploadType=resumable&upload_id={session.session_id}"
    return Response(
        headers={"Location": f"{request.url.replace(query=query)}", "X-GUploader-UploadID": session.session_id}
    )


@router.put("/projects/{project_id}/jobs")
async def go_on(project_id: str, upload_id: str, request: Request) -> Response:
    """Take the next piece of a resumable upload, and run the job after the last; told again, answer again."""
    if upload_id in _finished:
        return JSONResponse(_finished[upload_id])
    session = get_context(request).upload_sessions.get(upload_id)
    if session.project_id != project_id:
        raise NotFoundError(f"Upload session {upload_id} not found")
    range_, _, total = request.headers.get("content-range", "bytes 0-/*").removeprefix("bytes ").partition("/")
    if range_ != "*":
        await _receive_piece(request, session, start=int(range_.partition("-")[0]))
    complete = str(session.received_bytes) == total or "content-range" not in request.headers
    if not complete:
        so_far = {"Range": f"bytes=0-{session.received_bytes - 1}"} if session.received_bytes else {}
        return Response(status_code=308, headers=so_far)
    return await _run(request, session, session.configuration)


async def _run(request: Request, session: UploadSession, job: dict[str, Any]) -> Response:
    context = get_context(request)
    context.upload_sessions._sessions.pop(session.session_id)  # the job removes the file when it has read it
    _finished[session.session_id] = await run_load(context, session.project_id, job, session.staging_path)
    return JSONResponse(_finished[session.session_id])


async def _receive_piece(request: Request, session: UploadSession, *, start: int) -> None:
    """Write a piece where it belongs; a client that saw its connection break sends again what is already there."""
    if start > session.received_bytes:
        raise ValidationError(f"Content-Range starts at {start}, but only {session.received_bytes} bytes are there")
    with session.staging_path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        session.received_bytes = start
        async for part in request.stream():
            file.write(part)
            session.received_bytes += len(part)


async def _receive_multipart(request: Request, media: Path) -> dict[str, Any]:
    """Write the second part of the body to a file as it comes, and return the first: the job."""
    content_type = Message()
    content_type["content-type"] = request.headers["content-type"]
    boundary = b"--" + str(content_type.get_param("boundary")).encode()
    stream = request.stream()
    job, rest = await _read_job(stream, boundary)
    with media.open("wb") as file:
        file.write(rest)
        async for part in stream:
            file.write(part)
    _cut_end(media, b"\r\n" + boundary + b"--")
    note_body(request, job)
    return job


async def _read_job(stream: AsyncIterator[bytes], boundary: bytes) -> tuple[dict[str, Any], bytes]:
    """The job, and the media's bytes that came with it."""
    received = b""
    async for part in stream:
        received += part
        pieces = received.split(boundary, 2)
        if len(pieces) == 3 and b"\r\n\r\n" in pieces[2]:
            return json.loads(pieces[1].partition(b"\r\n\r\n")[2]), pieces[2].partition(b"\r\n\r\n")[2]
        if len(received) > LONGEST_HEADER:
            break
    raise ValidationError("A multipart upload is a job and a file")


def _cut_end(file: Path, end: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(-min(len(end) + 2, file.stat().st_size), 2)
        tail = opened.read()
        found = tail.rfind(end)
        if found < 0:
            raise ValidationError("The multipart upload is cut short")
        opened.truncate(file.stat().st_size - len(tail) + found)
