"""Handlers: feeds."""

from __future__ import annotations

import base64
import hashlib

from aiohttp import web

from media.contracts import feeds as contract
from media.contracts.channels import ListChannels
from media.contracts.jobs import GetFeedPicture
from media.model.feed import FeedKind
from runtime.bus.contract import CommandError, Fault
from web.api import wire
from web.api.routing import Answer, Call, check_version, or_stale, page_of
from web.problems import catalogue
from web.problems.answer import ProblemError


def feed_of(view: contract.FeedView, base: str = "") -> wire.Feed:
    """The wire form. `base` is this server as the caller reaches it; without one its own addresses are paths."""
    return wire.Feed(**_fields(view, base))


def _base(call: Call) -> str:
    request = call.request
    return call.services.http.public_url.rstrip("/") or f"{request.scheme}://{request.host}"


def _created_of(secret: contract.FeedSecret, base: str) -> wire.FeedCreated:
    fields = _fields(secret.feed, base)
    fields["publish_url"] = secret.publish_url or fields["publish_url"]
    return wire.FeedCreated(**fields, stream_key=secret.stream_key)


def _fields(view: contract.FeedView, base: str) -> dict[str, object]:
    fields: dict[str, object] = {
        name: getattr(view, name) for name in wire.Feed.model_fields if name not in {"state", "since"}
    }
    if view.kind is FeedKind.WHIP:
        fields["publish_url"] = f"{base}/whip/{view.id}"
    fields["state"] = view.phase
    fields["since"] = wire.maybe_time_of(view.since)
    return fields


async def _view(call: Call) -> contract.FeedView:
    return await call.services.ask(contract.GetFeed(feed=call.path("feed"), cause=call.by))


async def list_feeds(call: Call) -> Answer:
    """All feeds, by id."""
    query = call.asks(wire.PageQuery)
    found = await call.services.ask(contract.ListFeeds(cause=call.by))
    feeds = sorted(found.feeds, key=lambda view: view.id)
    page, following = page_of(feeds, lambda view: view.id, limit=query.limit, cursor=query.cursor)
    return Answer(wire.FeedPage(items=[feed_of(view, _base(call)) for view in page], next=following))


async def create_feed(call: Call) -> Answer:
    """Make a feed; the answer alone carries its key."""
    body = call.reads(wire.FeedCreate)
    secret = await call.services.ask(
        contract.CreateFeed(
            feed=body.id or "",
            kind=body.kind,
            name=body.name,
            second_publisher=body.second_publisher,
            options=body.options,
            cause=call.by,
        )
    )
    headers = {"Location": f"/api/v1/feeds/{secret.feed.id}"}
    return Answer(_created_of(secret, _base(call)), version=secret.feed.version, headers=headers)


async def get_feed(call: Call) -> Answer:
    """One feed."""
    view = await _view(call)
    return Answer(feed_of(view, _base(call)), version=view.version)


async def patch_feed(call: Call) -> Answer:
    """Change a feed."""
    body, wanted = call.reads(wire.FeedPatch), call.wanted_version()
    command = contract.UpdateFeed(
        feed=call.path("feed"),
        version=wanted,
        name=body.name,
        second_publisher=body.second_publisher,
        options=body.options,
        cause=call.by,
    )

    async def present() -> int:
        return (await _view(call)).version

    view = await or_stale(call.services.ask(command), wanted, present)
    return Answer(feed_of(view, _base(call)), version=view.version)


async def delete_feed(call: Call) -> Answer:
    """Remove a feed and end its sender. One that a channel on air counts on stays: viewers would lose the picture."""
    wanted, feed = call.wanted_version(), call.path("feed")
    if wanted is not None:
        check_version(wanted, (await _view(call)).version)
    for channel in (await call.services.ask(ListChannels(cause=call.by))).channels:
        if channel.wanted and feed in {channel.program.feed, channel.program.backup}:
            place = "on program" if feed == channel.program.feed else "the backup"
            raise CommandError(
                Fault.CONFLICT, f"the feed is {place} on channel {channel.id}; take it off first"
            )
    await call.services.ask(contract.DeleteFeed(feed=feed, cause=call.by))
    return Answer()


async def rotate_feed_key(call: Call) -> Answer:
    """Give a feed a new key."""
    secret = await call.services.ask(contract.RotateKey(feed=call.path("feed"), cause=call.by))
    return Answer(_created_of(secret, _base(call)), version=secret.feed.version)


async def get_feed_picture(call: Call) -> web.StreamResponse:
    """What a feed shows: the newest keyframe, made by the jobs process."""
    try:
        picture = await call.services.ask(GetFeedPicture(feed=call.path("feed"), cause=call.by))
    except CommandError as error:
        if error.fault is Fault.CONFLICT:
            raise ProblemError(catalogue.NO_PICTURE, reason=str(error)) from error
        raise
    jpeg = base64.b64decode(picture.jpeg)
    tag = hashlib.sha256(jpeg).hexdigest()[:32]
    headers = {
        # For so long as the next one would be the same: nobody may see an older one by way of a cache.
        "Cache-Control": f"private, max-age={int(picture.fresh)}",
        "ETag": f'"{tag}"',
        "Vary": "Authorization, Cookie",
        "X-Content-Type-Options": "nosniff",
    }
    seen = call.request.if_none_match or ()
    if any(each.value in {tag, "*"} for each in seen):
        return web.Response(status=304, headers=headers)
    return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)
