"""Handlers: shows, their log, their marks, their export."""

from __future__ import annotations

from aiohttp import web

from media.contracts.channels import GetChannel
from media.contracts.jobs import ExportRecording, JobState
from runtime.bus.contract import CommandError, Fault
from studio.contracts import shows as contract
from studio.contracts.shows import ShowState
from web.api import wire
from web.api.recordings import job_of
from web.api.routing import Answer, Call, check_version, must_exist, or_stale
from web.playback.files import serve_stored
from web.problems import catalogue
from web.problems.answer import ProblemError

LOG_PAGE = 500
"""Lines asked for at once: well below the size of a bus message."""


def show_of(view: contract.ShowView) -> wire.Show:
    """The wire form."""
    hls = {
        ShowState.DRAFT: None,
        ShowState.LIVE: f"/hls/{view.channel}/index.m3u8",
        ShowState.ENDED: f"/replays/{view.id}/index.m3u8",
    }[view.state]
    return wire.Show(
        id=view.id,
        title=view.title,
        channel=view.channel,
        state=view.state,
        version=view.version,
        created=wire.time_of(view.created),
        started=wire.maybe_time_of(view.started),
        ended=wire.maybe_time_of(view.ended),
        recording=view.recording or None,
        playback=wire.ShowPlayback(page=f"/shows/{view.id}", hls=hls, poster=f"/shows/{view.id}/poster.jpg"),
    )


def entry_of(entry: contract.LogEntry) -> wire.LogEntry:
    """The wire form of one line of a log."""
    return wire.LogEntry(
        seq=entry.seq,
        at=wire.time_of(entry.at),
        time=wire.time_of(entry.time),
        type=entry.type,
        data=entry.data,
    )


def _answer(view: contract.ShowView, status: int | None = None) -> Answer:
    headers = {"Location": f"/api/v1/shows/{view.id}"} if status == 201 else {}
    return Answer(show_of(view), status=status, version=view.version, headers=headers)


async def _view(call: Call) -> contract.ShowView:
    return await call.services.ask(contract.GetShow(show=call.path("show"), cause=call.by))


async def list_shows(call: Call) -> Answer:
    """Shows, newest first. Planned ones too: the home page tells everybody what comes."""
    query = call.asks(wire.ShowQuery)
    found = await call.services.ask(
        contract.ListShows(
            state=query.state, channel=query.channel, limit=query.limit, cursor=query.cursor, cause=call.by
        )
    )
    return Answer(wire.ShowPage(items=[show_of(view) for view in found.shows], next=found.next or None))


async def create_show(call: Call) -> Answer:
    """Plan a show on a channel."""
    body = call.reads(wire.ShowCreate)
    await must_exist(call, GetChannel(channel=body.channel, cause=call.by), "channel")
    command = contract.CreateShow(title=body.title, channel=body.channel, cause=call.by)
    return _answer(await call.services.ask(command), 201)


async def get_show(call: Call) -> Answer:
    """One show: its page is shared before it starts."""
    return _answer(await _view(call))


async def patch_show(call: Call) -> Answer:
    """Change a show's title, or its channel while it is a draft."""
    body, wanted = call.reads(wire.ShowPatch), call.wanted_version()
    if body.channel is not None:
        await must_exist(call, GetChannel(channel=body.channel, cause=call.by), "channel")
    command = contract.UpdateShow(
        show=call.path("show"), version=wanted, title=body.title, channel=body.channel, cause=call.by
    )

    async def present() -> int:
        return (await _view(call)).version

    return _answer(await or_stale(call.services.ask(command), wanted, present))


async def delete_show(call: Call) -> Answer:
    """Remove a show that is not live."""
    wanted = call.wanted_version()
    if wanted is not None:
        check_version(wanted, (await _view(call)).version)
    await call.services.ask(contract.DeleteShow(show=call.path("show"), cause=call.by))
    return Answer()


async def start_show(call: Call) -> Answer:
    """Open tape and log; a live show stays live."""
    return _answer(await call.services.ask(contract.StartShow(show=call.path("show"), cause=call.by)))


async def stop_show(call: Call) -> Answer:
    """Close tape and log."""
    return _answer(await call.services.ask(contract.StopShow(show=call.path("show"), cause=call.by)))


async def create_mark(call: Call) -> Answer:
    """Write a mark into the log, at the programme time of now or of the body."""
    body = call.reads(wire.MarkCreate)
    time: int | None = None
    if body.time is not None:
        try:
            time = wire.micros_of(body.time)
        except ValueError as error:
            raise CommandError(Fault.INVALID, "there is no such date", field="time") from error
    entry = await call.services.ask(
        contract.AddMark(show=call.path("show"), label=body.label, time=time, by=call.by, cause=call.by)
    )
    return Answer(entry_of(entry))


async def read_show_log(call: Call) -> web.StreamResponse:
    """The log as NDJSON: one line an entry, in order, read page by page so that its length does not matter."""
    query = call.asks(wire.LogQuery)
    after, left = query.after, query.limit
    page = await _log_page(call, after, left)  # before the head is sent: an unknown show is still a 404
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
    response.content_type = "application/x-ndjson"
    response.charset = "utf-8"
    await response.prepare(call.request)
    while page:
        lines = "".join(entry_of(entry).model_dump_json() + "\n" for entry in page)
        await response.write(lines.encode())
        after = page[-1].seq
        left = None if left is None else left - len(page)
        if len(page) < LOG_PAGE or left == 0:
            break
        page = await _log_page(call, after, left)
    await response.write_eof()
    return response


async def _log_page(call: Call, after: int, left: int | None) -> list[contract.LogEntry]:
    limit = LOG_PAGE if left is None else min(LOG_PAGE, left)
    command = contract.ReadLog(show=call.path("show"), after=after, limit=limit, cause=call.by)
    return (await call.services.ask(command)).entries


async def _recording(call: Call) -> str:
    view = await _view(call)
    if not view.recording:
        raise CommandError(Fault.CONFLICT, "the show has no recording yet")
    if view.state is not ShowState.ENDED:
        raise CommandError(Fault.CONFLICT, "the show has not ended yet")
    return view.recording


async def export_show(call: Call) -> Answer:
    """Begin to make the MP4; the job that makes or made it is returned, however often this is called."""
    job = await call.services.ask(ExportRecording(recording=await _recording(call), cause=call.by))
    return Answer(job_of(job), headers={"Location": f"/api/v1/jobs/{job.id}"})


async def download_export(call: Call) -> web.StreamResponse:
    """The MP4, once its job is done; ranges are served. Begins nothing: without an export it is not found."""
    recording = await _recording(call)
    job = await call.services.ask(ExportRecording(recording=recording, only_existing=True, cause=call.by))
    if job.state is not JobState.DONE:
        raise ProblemError(catalogue.NOT_READY)
    return await serve_stored(
        call.request,
        call.services.store,
        job.result,
        job.size,
        content_type="video/mp4",
        filename=f"{call.path('show')}.mp4",
        timeout=call.services.http.slow_reader_timeout,
    )
