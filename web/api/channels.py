"""Handlers: channels and what is on program."""

from __future__ import annotations

from media.contracts import channels as contract
from media.contracts.feeds import GetFeed
from runtime.bus.contract import CommandError, Fault
from web.api import wire
from web.api.routing import Answer, Call, check_version, must_exist, or_stale, page_of
from web.auth.roles import Role


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
    )


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


async def _version(call: Call) -> int:
    return (await _view(call)).version


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
    command = contract.CreateChannel(
        channel=body.id, settings=_settings_in(body.settings), start=body.start, cause=call.by
    )
    try:
        view = await call.services.ask(command)
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
    body, wanted = call.reads(wire.ChannelSettings), call.wanted_version()
    command = contract.UpdateChannel(
        channel=call.path("channel"), version=wanted, settings=_settings_in(body), cause=call.by
    )

    return _answer(call, await or_stale(call.services.ask(command), wanted, lambda: _version(call)))


async def delete_channel(call: Call) -> Answer:
    """Remove a channel that is off air."""
    wanted = call.wanted_version()
    if wanted is not None:
        check_version(wanted, (await _view(call)).version)
    await call.services.ask(contract.DeleteChannel(channel=call.path("channel"), cause=call.by))
    return Answer()


async def start_channel(call: Call) -> Answer:
    """Put a channel on air; one that is on air stays so."""
    command = contract.StartChannel(channel=call.path("channel"), cause=call.by)
    return _answer(call, await call.services.ask(command))


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
