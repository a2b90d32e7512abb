"""Handlers: recordings and jobs."""

from __future__ import annotations

from media.contracts import tape as contract
from media.contracts.jobs import GetJob, JobView
from web.api import wire
from web.api.routing import Answer, Call, page_of

FAR = 10**18
"""Later than any programme time in microseconds: `FAR - time` turns newest-first into an ascending key."""


def recording_of(view: contract.RecordingView, *, listed: bool = False) -> wire.Recording:
    """The wire form. In a list the owner does not look for gaps, and an empty manifest would say that there are none."""
    return wire.Recording(
        id=view.id,
        channel=view.channel,
        started=wire.time_of(view.started),
        ended=wire.maybe_time_of(view.ended),
        size=view.size,
        gaps=None
        if listed
        else [
            wire.Gap(starts=wire.time_of(gap.starts), ends=wire.time_of(gap.ends), cause=gap.cause)
            for gap in view.gaps
        ],
    )


def job_of(view: JobView) -> wire.Job:
    """The wire form: where the result lies in the store is nobody's business."""
    return wire.Job(
        id=view.id,
        kind=view.kind,
        recording=view.recording,
        state=view.state,
        progress=view.progress,
        reason=view.reason,
        size=view.size,
    )


def _newest_first(view: contract.RecordingView) -> str:
    return f"{FAR - view.started:018d}.{view.id}"


async def list_recordings(call: Call) -> Answer:
    """Recordings, newest first."""
    query = call.asks(wire.RecordingQuery)
    found = await call.services.ask(contract.ListRecordings(channel=query.channel, cause=call.by))
    recordings = sorted(found.recordings, key=_newest_first)
    page, following = page_of(recordings, _newest_first, limit=query.limit, cursor=query.cursor)
    return Answer(
        wire.RecordingPage(items=[recording_of(view, listed=True) for view in page], next=following)
    )


async def get_recording(call: Call) -> Answer:
    """One recording with the manifest of its gaps."""
    command = contract.GetRecording(recording=call.path("recording"), cause=call.by)
    return Answer(recording_of(await call.services.ask(command)))


async def delete_recording(call: Call) -> Answer:
    """Let retention take a recording's segments."""
    await call.services.ask(contract.DeleteRecording(recording=call.path("recording"), cause=call.by))
    return Answer()


async def get_storage(call: Call) -> Answer:
    """How full the disk is, and with what."""
    view = await call.services.ask(contract.GetStorage(cause=call.by))
    return Answer(wire.Storage.model_validate(view.model_dump()))


async def get_job(call: Call) -> Answer:
    """How far a job is."""
    return Answer(job_of(await call.services.ask(GetJob(job=call.path("job"), cause=call.by))))
