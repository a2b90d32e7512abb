"""Handlers: recordings of feeds as they came."""

from __future__ import annotations

from aiohttp import web

from media.contracts import isos as contract
from media.contracts.feeds import GetFeed
from media.model.time import MICROSECONDS
from web.api import wire, wire_isos
from web.api.recordings import FAR
from web.api.routing import PREFIX, Answer, Call, must_exist, page_of
from web.playback.files import serve_stored
from web.problems import catalogue
from web.problems.answer import ProblemError


def iso_of(view: contract.IsoView, *, listed: bool = True) -> wire_isos.Iso:
    """The wire form. In a list neither parts nor gaps are known."""
    return wire_isos.Iso(
        id=view.id,
        feed=view.feed,
        started=wire.time_of(view.started),
        ended=wire.maybe_time_of(view.ended),
        state=view.state,
        reason=view.reason,
        size=view.size,
        duration=view.duration / MICROSECONDS,
        part_count=view.part_count,
        parts=None if listed else [_part_of(view, part) for part in view.parts],
        gaps=None
        if listed
        else [
            wire.Gap(starts=wire.time_of(gap.starts), ends=wire.time_of(gap.ends), cause=gap.cause)
            for gap in view.gaps
        ],
    )


def _part_of(view: contract.IsoView, part: contract.IsoPartView) -> wire_isos.IsoPart:
    plain = {
        name: getattr(part, name)
        for name in wire_isos.IsoPart.model_fields
        if name not in {"url", "started", "duration", "placements"}
    }
    return wire_isos.IsoPart(
        **plain,
        url=f"{PREFIX}/isos/{view.id}/parts/{part.number}",
        started=wire.time_of(part.started),
        duration=part.duration / MICROSECONDS,
        placements=[
            wire_isos.IsoPlacement(
                channel=each.channel or None,
                starts=each.starts / MICROSECONDS,
                ends=each.ends / MICROSECONDS,
                time=wire.time_of(each.starts + each.offset),
            )
            for each in part.placements
        ],
    )


async def _view(call: Call) -> contract.IsoView:
    return await call.services.ask(contract.GetIso(iso=call.path("iso"), cause=call.by))


def _newest_first(view: contract.IsoView) -> str:
    return f"{FAR - view.started:018d}.{view.id}"


async def list_isos(call: Call) -> Answer:
    """Recordings of feeds, newest first."""
    query = call.asks(wire_isos.IsoQuery)
    found = await call.services.ask(contract.ListIsos(feed=query.feed, cause=call.by))
    isos = sorted(found.isos, key=_newest_first)
    page, following = page_of(isos, _newest_first, limit=query.limit, cursor=query.cursor)
    return Answer(wire_isos.IsoPage(items=[iso_of(view) for view in page], next=following))


async def create_iso(call: Call) -> Answer:
    """Record a feed as it comes; the recording that runs is returned where there is one."""
    body = call.reads(wire_isos.IsoCreate)
    await must_exist(call, GetFeed(feed=body.feed, cause=call.by), "feed")
    view = await call.services.ask(contract.StartIso(feed=body.feed, cause=call.by))
    call.trail.about(view.id)
    return Answer(iso_of(view, listed=False), headers={"Location": f"{PREFIX}/isos/{view.id}"})


async def get_iso(call: Call) -> Answer:
    """One with its parts and gaps."""
    return Answer(iso_of(await _view(call), listed=False))


async def stop_iso(call: Call) -> Answer:
    """End one; its files are whole then."""
    view = await call.services.ask(contract.StopIso(iso=call.path("iso"), cause=call.by))
    return Answer(iso_of(view, listed=False))


async def delete_iso(call: Call) -> Answer:
    """Delete one that has ended, with its files."""
    await call.services.ask(contract.DeleteIso(iso=call.path("iso"), cause=call.by))
    return Answer()


async def download_iso_part(call: Call) -> web.StreamResponse:
    """One file, as far as it is; ranges are served."""
    number = call.path("number")
    part = next((part for part in (await _view(call)).parts if str(part.number) == number), None)
    if part is None:
        raise ProblemError(catalogue.NOT_FOUND)
    return await serve_stored(
        call.request,
        call.services.store,
        part.key,
        part.size,
        content_type="video/matroska",
        filename=part.name,
        timeout=call.services.http.slow_reader_timeout,
        growing=not part.closed,
    )
