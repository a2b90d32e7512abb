"""Handlers: channels and what is on program."""

from __future__ import annotations

from collections.abc import Sequence

from media.contracts import channels as contract
from media.contracts.feeds import GetFeed
from runtime.bus.contract import CommandError, Fault
from web.api import wire
from web.api.routing import Answer, Call, check_version, must_exist, or_stale, page_of
from web.auth.roles import Role
from web.problems import catalogue
from web.problems.answer import ProblemError
from web.problems.catalogue import Words


def channel_of(view: contract.ChannelView, *, inside: bool) -> wire.Channel:
    """The wire form; `inside` shows what staff alone may see."""
    settings = view.settings
    return wire.Channel(
        id=view.id,
        name=settings.name,
        state=view.state,
        on_air=view.wanted,
        ready=view.ready,
        width=settings.width,
        height=settings.height,
        dvr_seconds=settings.dvr_seconds,
        playback=wire.Playback(
            hls=f"/hls/{view.id}/index.m3u8",
            page=f"/live/{view.id}",
            embed=f"/embed/{view.id}",
            poster=f"/live/{view.id}/poster.jpg",
        ),
        version=view.version,
        settings=_settings_out(settings) if inside else None,
        program=wire.Program(feed=view.program.feed, backup=view.program.backup) if inside else None,
        picture=view.picture if inside else None,
        reason=view.reason if inside else None,
        epoch=view.epoch if inside else None,
        speed=view.speed if inside else None,
        on_demand=settings.on_demand,
        idle=view.idle,
        rungs=_rungs_out(view.rungs) if inside else None,
        ladder_why=view.ladder_why if inside else None,
        needs_cores=view.needs if inside else None,
    )


def _rungs_out(rungs: Sequence[contract.RungValue]) -> list[wire.Rung]:
    return [wire.Rung(height=rung.height, bitrate=rung.bitrate) for rung in rungs]


def _settings_out(settings: contract.ChannelSettings) -> wire.ChannelSettings:
    return wire.ChannelSettings.model_validate(
        settings.model_dump(include=set(wire.ChannelSettings.model_fields))
    )


def _settings_in(settings: wire.ChannelSettings) -> contract.ChannelSettings:
    return contract.ChannelSettings.model_validate(settings.model_dump())


def _answer(call: Call, view: contract.ChannelView, status: int | None = None) -> Answer:
    headers = {"Location": f"/api/v1/channels/{view.id}"} if status == 201 else {}
    body = channel_of(view, inside=call.may(Role.HOST))
    return Answer(body, status=status, version=view.version, headers=headers)


async def _view(call: Call) -> contract.ChannelView:
    return await call.services.ask(contract.GetChannel(channel=call.path("channel"), cause=call.by))


def _forced(call: Call) -> bool:
    return call.asks(wire.ForceQuery).force


async def _version(call: Call) -> int:
    return (await _view(call)).version


async def _room(
    call: Call,
    command: contract.CreateChannel | contract.UpdateChannel | contract.StartChannel,
    settings: contract.ChannelSettings | None = None,
) -> contract.ChannelView:
    """Give a command that may exceed the machine; where it does, refuse with the arithmetic in the caller's language."""
    try:
        return await call.services.ask(command)
    except CommandError as error:
        if (error.fault, error.field) != (Fault.CONFLICT, "force"):
            raise
        asked = contract.GetCapacity(channel=command.channel, settings=settings, cause=call.by)
        raise _no_room(await call.services.ask(asked), command.channel, str(error)) from error


def _no_room(capacity: contract.CapacityView, channel: str, reason: str) -> ProblemError:
    used = ", ".join(f"{use.channel} {use.cores:.2f}" for use in capacity.used if use.channel != channel)
    ladder, cores = " + ".join(f"{rung.height}p" for rung in capacity.fits), f"{capacity.fits_needs:.2f}"
    if ladder:
        fits = Words(
            f"화질 단계를 {ladder}로 줄이면 {cores}코어로 들어갑니다.", f"{ladder} would fit, with {cores}."
        )
    else:
        fits = Words("화질 단계를 줄여도 들어가지 않습니다.", "No part of its ladder would fit.")
    return ProblemError(
        catalogue.CAPACITY,
        field="force",
        reason=reason,
        limit=f"{capacity.limit:.2f}",
        cores=f"{capacity.cores:g}",
        used=Words(
            f"({used})" if used else "(다른 채널 없음)", f"({used})" if used else "(no other channel)"
        ),
        taken=f"{sum(use.cores for use in capacity.used if use.channel != channel):.2f}",
        needs=f"{capacity.needs:.2f}",
        left=f"{max(0.0, capacity.left):.2f}",
        fits=fits,
    )


async def get_capacity(call: Call) -> Answer:
    """What channels take of the machine, and what is left."""
    view = await call.services.ask(contract.GetCapacity(cause=call.by))
    return Answer(
        wire.Capacity(
            cpu=view.cpu,
            cores=view.cores,
            limit=view.limit,
            used=[wire.CapacityUse(channel=use.channel, cores=use.cores) for use in view.used],
            left=view.left,
            measured=view.measured,
        )
    )


async def list_channels(call: Call) -> Answer:
    """All channels, by id."""
    query = call.asks(wire.PageQuery)
    found = await call.services.ask(contract.ListChannels(cause=call.by))
    channels = sorted(found.channels, key=lambda view: view.id)
    page, following = page_of(channels, lambda view: view.id, limit=query.limit, cursor=query.cursor)
    inside = call.may(Role.HOST)
    return Answer(wire.ChannelPage(items=[channel_of(view, inside=inside) for view in page], next=following))


async def create_channel(call: Call) -> Answer:
    """Make a channel, on air at once unless asked otherwise."""
    body = call.reads(wire.ChannelCreate)
    settings = _settings_in(body.settings)
    command = contract.CreateChannel(
        channel=body.id, settings=settings, start=body.start, force=_forced(call), cause=call.by
    )
    try:
        view = await _room(call, command, settings)
    except CommandError as error:
        # The owner speaks of its own command; in the body the settings are one level down, and the channel is `id`.
        inside = f"settings.{error.field}" if error.field else None
        field = "id" if error.field == "channel" else inside
        raise CommandError(error.fault, str(error), field=field) from error
    return _answer(call, view, 201)


async def get_channel(call: Call) -> Answer:
    """One channel."""
    return _answer(call, await _view(call))


async def put_channel_settings(call: Call) -> Answer:
    """Replace a channel's settings."""
    settings, wanted = _settings_in(call.reads(wire.ChannelSettings)), call.wanted_version()
    command = contract.UpdateChannel(
        channel=call.path("channel"), version=wanted, settings=settings, force=_forced(call), cause=call.by
    )
    return _answer(call, await or_stale(_room(call, command, settings), wanted, lambda: _version(call)))


async def delete_channel(call: Call) -> Answer:
    """Remove a channel that is off air."""
    wanted = call.wanted_version()
    if wanted is not None:
        check_version(wanted, (await _view(call)).version)
    await call.services.ask(contract.DeleteChannel(channel=call.path("channel"), cause=call.by))
    return Answer()


async def start_channel(call: Call) -> Answer:
    """Put a channel on air; one that is on air stays so."""
    command = contract.StartChannel(channel=call.path("channel"), force=_forced(call), cause=call.by)
    return _answer(call, await _room(call, command))


async def stop_channel(call: Call) -> Answer:
    """Take a channel off air; one that is off air stays so."""
    command = contract.StopChannel(channel=call.path("channel"), cause=call.by)
    return _answer(call, await call.services.ask(command))


async def put_program(call: Call) -> Answer:
    """Put a feed on program."""
    body, wanted = call.reads(wire.ProgramPut), call.wanted_version()
    if wanted is not None:
        check_version(
            wanted, await _version(call)
        )  # before the body is looked at (RFC 9110 §13.2.1); its owner decides
    for name, feed in (("feed", body.feed), ("backup", body.backup)):
        if feed == "":
            raise CommandError(Fault.INVALID, f"{name} is empty; null is for none", field=name)
        if feed is not None:
            await must_exist(call, GetFeed(feed=feed, cause=call.by), name)
    command = contract.SetProgram(
        channel=call.path("channel"), version=wanted, feed=body.feed, backup=body.backup, cause=call.by
    )
    return _answer(call, await or_stale(call.services.ask(command), wanted, lambda: _version(call)))
