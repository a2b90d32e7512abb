"""WebRTC senders against the ingest process and the HTTP in front of it: aiortc, ffmpeg, and some that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from prometheus_client import CollectorRegistry

from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.adapters.feed_socket import SocketFeedTap
from media.contracts.feeds import DeleteFeed, FeedView, GetFeed
from media.ingest.store import MemoryFeedStore
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.bus.calls import call
from runtime.bus.local import LocalBus
from runtime.settings import Settings
from tests.support.ffmpeg_sender import ffmpeg
from tests.support.ingest import ingest, settings
from tests.support.whip_offers import AUDIO, BUNDLE, FFMPEG, HEAD, VIDEO
from tests.support.whip_sender import CLIP, KEY, Loss, WhipSender, originals, picture_hash, sending
from web.compose import asking
from web.metrics import WebMetrics
from web.settings import AuthSettings, HttpSettings
from web.whip import ANSWER_SECONDS, FRAGMENT, Whip

SEEDS = (
    f'[{{id="phone", kind="whip", stream_key="{KEY}"}}, '
    '{id="shared", kind="whip", stream_key="whip-key-2", second_publisher="take_over"}, '
    '{id="obs", kind="rtmp", stream_key="rtmp-key-1"}]'
)
DIRECT = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/sdp"}


@dataclass
class House:
    """The two processes in one."""

    settings: Settings
    bus: LocalBus
    base: str
    http: aiohttp.ClientSession

    def endpoint(self, feed: str = "phone") -> str:
        return f"{self.base}/whip/{feed}"

    async def feed(self, feed: str = "phone") -> FeedView:
        return await call(self.bus, GetFeed(feed=feed))

    async def phase(self, *wanted: FeedPhase, feed: str = "phone", within: float = 20.0) -> FeedView:
        async with asyncio.timeout(within):
            while (view := await self.feed(feed)).phase not in wanted:
                await asyncio.sleep(0.05)
        return view


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def a_house(tmp_path: Path, **extra: str) -> AsyncIterator[House]:
    more = {"GACHI_FEEDS__SEED": SEEDS, "GACHI_INGEST__WEBRTC_HOST": "127.0.0.1", **extra}
    made, bus = settings(tmp_path, **more), LocalBus()
    app = web.Application()
    limits = AuthSettings(address_rate=1000, failure_burst=1000)
    Whip(asking(bus, ANSWER_SECONDS), HttpSettings(), limits, WebMetrics(CollectorRegistry())).add_to(app)
    runner = web.AppRunner(app)
    async with ingest(made, bus, MemoryFeedStore()), aiohttp.ClientSession() as http:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        try:
            yield House(made, bus, f"http://127.0.0.1:{runner.addresses[0][1]}", http)
        finally:
            await runner.cleanup()


@dataclass
class Watched:
    """What a worker gets of a feed, decoded."""

    headers: list[TrackHeader] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    times: dict[MediaKind, list[int]] = field(default_factory=lambda: {kind: [] for kind in MediaKind})
    errors: int = 0
    sounds: int = 0

    async def take(self, tap: SocketFeedTap) -> None:
        decoders: dict[MediaKind, VideoDecoder | AudioDecoder] = {}
        async for item in tap:
            if isinstance(item, TrackHeader):
                self.headers.append(item)
                video = item.kind is MediaKind.VIDEO
                decoders[item.kind] = VideoDecoder(item) if video else AudioDecoder(item)
            elif isinstance(item, EncodedPacket):
                self.times[item.kind].append(item.pts)
                decoder = decoders[item.kind]
                if isinstance(decoder, VideoDecoder):
                    self.pictures += [picture_hash(each.frame) for each in decoder.decode(item)]
                else:
                    self.sounds += len(decoder.decode(item))
                self.errors = sum(each.errors for each in decoders.values())
            else:
                assert isinstance(item, FeedStatus)


@contextlib.asynccontextmanager
async def watching(house: House, feed: str = "phone") -> AsyncIterator[Watched]:
    watched = Watched()
    task = asyncio.create_task(watched.take(SocketFeedTap(house.settings.socket("feeds"), feed)))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def until(holds: Callable[[], bool], within: float, what: str) -> None:
    try:
        async with asyncio.timeout(within):
            while not holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {within:g} s for {what}") from None


def known(codec: str) -> set[str]:
    return set(originals(codec, CLIP))


# --- media


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_pictures_arrive_bit_by_bit_as_they_were_sent(house: House, codec: str) -> None:
    async with watching(house) as watched, sending(house.http, house.endpoint(), codec=codec) as sender:
        await until(lambda: len(watched.pictures) >= 45 and watched.sounds >= 50, 30, "pictures and sound")
        view = await house.feed()
        assert (view.phase, view.video_codec, view.audio_codec) == (FeedPhase.LIVE, codec, "opus")
        assert (view.width, view.height) == (320, 180)
        assert view.peer.startswith("127.0.0.1")
        assert await sender.delete() == 200
        view = await house.phase(FeedPhase.LOST)
        assert view.reason == "the sender ended the stream"
        assert await sender.delete() == 404
    assert watched.errors == 0
    assert set(watched.pictures) <= known(codec)
    for times in watched.times.values():
        assert all(before < after for before, after in pairwise(times))
    video, audio = (watched.times[kind] for kind in (MediaKind.VIDEO, MediaKind.AUDIO))
    assert abs(video[-1] - audio[-1]) < 1_000_000  # one clock


async def test_a_tenth_of_the_packets_lost_and_repeated_costs_few_pictures(house: House) -> None:
    loss = Loss(0.1, seed=3)
    async with watching(house) as watched, sending(house.http, house.endpoint(), loss=loss):
        await until(
            lambda: loss.dropped >= 10 and len(watched.pictures) >= 90, 40, "pictures in spite of loss"
        )
    assert set(watched.pictures) <= known("h264"), "a smear was passed on"
    assert watched.errors == 0
    # Over a span of this many, pictures that were never shown: fewer than without repeats by far.
    times = watched.times[MediaKind.VIDEO]
    due = (times[-1] - times[0]) * 30 / 1e6
    assert len(times) > 0.8 * due


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_loss_that_nothing_repairs_freezes_and_never_smears(house: House, codec: str) -> None:
    loss = Loss(0.1, seed=5, repairs=False)
    async with watching(house) as watched, sending(house.http, house.endpoint(), codec=codec, loss=loss):
        await until(
            lambda: loss.dropped >= 12 and len(watched.pictures) >= 10, 40, "pictures in spite of loss"
        )
        assert set(watched.pictures) <= known(codec), "a smear was passed on"
        loss.rate = 0.0
        seen = len(watched.pictures)
        await until(lambda: len(watched.pictures) >= seen + 45, 20, "the picture to come back by itself")
    assert set(watched.pictures) <= known(codec), "a smear was passed on"
    assert watched.errors == 0
    gaps = [after - before for before, after in pairwise(watched.times[MediaKind.VIDEO])]
    assert max(gaps) > 100_000, "nothing froze: the test lost nothing"
    assert loss.plis > 0, "no keyframe was asked for"


async def test_a_sender_of_sound_alone_is_taken(house: House) -> None:
    async with watching(house) as watched:
        sender = WhipSender(house.http, house.endpoint())
        lines = (await sender.offer()).split("m=video")[0].replace("BUNDLE 0 1", "BUNDLE 0")
        status, _, answer = await sender.post(lines)
        assert status == 201, answer
        assert "m=video" not in answer
        await sender.close()
    assert not watched.pictures


@pytest.mark.peer
async def test_ffmpeg_publishes_and_leaves(house: House) -> None:
    command = [
        *(ffmpeg(), "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=s=320x180:r=30"),
        *("-re", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "4", "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-profile:v", "high", "-preset", "ultrafast", "-bf", "0", "-g", "30"),
        *(
            "-c:a",
            "libopus",
            "-b:a",
            "64k",
            "-ac",
            "2",
            "-f",
            "whip",
            "-authorization",
            KEY,
            house.endpoint(),
        ),
    ]
    async with watching(house) as watched:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            view = await house.phase(FeedPhase.LIVE)
            assert "Lavf" in view.peer
            await until(lambda: len(watched.pictures) > 60 and watched.sounds > 80, 40, "ffmpeg's pictures")
            view = await house.phase(FeedPhase.LOST, within=40)
            assert view.reason == "the sender ended the stream"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert watched.errors == 0


# --- faults


async def test_a_connection_that_never_comes_about_ends_with_a_reason(tmp_path: Path) -> None:
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_CONNECT_TIMEOUT="1") as house:
        async with house.http.post(house.endpoint(), data=FFMPEG, headers=DIRECT) as answer:
            assert answer.status == 201
        assert (await house.feed()).phase is FeedPhase.CONNECTING
        view = await house.phase(FeedPhase.LOST)
        assert view.reason.startswith("no connection within 1 s")
        async with sending(house.http, house.endpoint()):  # the feed is free again
            await house.phase(FeedPhase.LIVE)


async def test_dtls_with_another_certificate_ends_with_a_reason(house: House) -> None:
    sender = WhipSender(house.http, house.endpoint())
    offer = await sender.offer()
    lines = [line for line in offer.splitlines() if "sha-384" not in line and "sha-512" not in line]
    forged = "\r\n".join(
        line[:-2] + ("00" if line[-2:] != "00" else "11") if "sha-256" in line else line for line in lines
    )
    status, _, answer = await sender.post(forged + "\r\n")
    assert status == 201, answer
    await sender.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    view = await house.phase(FeedPhase.LOST)
    assert "DTLS" in view.reason
    await sender.close()


async def test_a_sender_that_falls_silent_is_stalled_and_then_gone(tmp_path: Path) -> None:
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_SILENCE_TIMEOUT="3") as house:
        loss = Loss(0.0)
        async with sending(house.http, house.endpoint(), sound=False, loss=loss) as sender:
            await house.phase(FeedPhase.LIVE)
            sender.clip.paused.clear()
            cut(sender.connection)
            await house.phase(FeedPhase.STALLED)
            view = await house.phase(FeedPhase.LOST)
            assert view.reason == "nothing came for 3 s: the connection is dead"


def cut(connection: RTCPeerConnection) -> None:
    """From now on nothing leaves this sender: its network is gone."""
    for transceiver in connection.getTransceivers():
        ice = transceiver.sender.transport.transport

        async def nowhere(data: bytes) -> None:
            return

        ice._send = nowhere


async def test_a_second_sender_is_refused_and_the_first_goes_on(house: House) -> None:
    async with sending(house.http, house.endpoint()) as first:
        await house.phase(FeedPhase.LIVE)
        second = WhipSender(house.http, house.endpoint())
        status, headers, text = await second.post(await second.offer())
        assert status == 409, text
        assert headers["Content-Type"].startswith("application/problem+json")
        assert '"field":"feed"' in text
        await second.close()
        assert (await house.feed()).phase is FeedPhase.LIVE
        assert await first.delete() == 200


async def test_where_taking_over_is_allowed_the_second_sender_gets_the_feed(house: House) -> None:
    first = WhipSender(house.http, house.endpoint("shared"))
    await first.publish(key="whip-key-2")
    await house.phase(FeedPhase.LIVE, feed="shared")
    second = WhipSender(house.http, house.endpoint("shared"), codec="vp8")
    await second.publish(key="whip-key-2")

    async def taken() -> bool:
        view = await house.feed("shared")
        return view.phase is FeedPhase.LIVE and view.video_codec == "vp8"

    await eventually(taken, "the second sender's picture")
    assert await first.delete("whip-key-2") == 404
    for sender in (first, second):
        await sender.close()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within: float = 20) -> None:
    try:
        async with asyncio.timeout(within):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {within:g} s for {what}") from None


async def test_a_feed_that_is_removed_ends_its_sender(house: House) -> None:
    async with sending(house.http, house.endpoint()) as sender:
        await house.phase(FeedPhase.LIVE)
        await call(house.bus, DeleteFeed(feed="phone"))
        await until(lambda: sender.connection.connectionState == "closed", 20, "the sender to be told")


# --- HTTP


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "sdp"),
        (b"not a session description", 400, "sdp"),
        (b"\xff\xfe", 400, "sdp"),
        (FFMPEG[: FFMPEG.index("a=rtcp-mux")].encode(), 422, "offer.m.0.rtcp-mux"),
        (FFMPEG.replace("ice-pwd", "ice-pw").encode(), 400, "sdp.ice-pwd"),
        ((HEAD + BUNDLE + AUDIO + VIDEO.replace("H264", "H263")).encode(), 422, "offer.m.1.rtpmap"),
        (HEAD.encode(), 422, "offer.m"),
        (b"v=0\r\n" + b"a=x\r\n" * 20_000, 413, None),
    ],
)
async def test_an_offer_that_cannot_be_is_refused_and_says_why(
    house: House, body: bytes, status: int, field: str | None
) -> None:
    async with house.http.post(house.endpoint(), data=body, headers=DIRECT) as answer:
        problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem.get("field")) == (status, field), problem
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (await house.feed()).phase is FeedPhase.IDLE


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("phone", {"Authorization": "Bearer wrong-key-1"}, 401),
        ("phone", {"Authorization": "Basic abc"}, 401),
        ("phone", {"Authorization": "Bearer "}, 401),
        ("phone", {"Authorization": "Bearer rtmp-key-1"}, 401),
        ("obs", {"Authorization": "Bearer rtmp-key-1"}, 401),
        ("nobody", {"Authorization": f"Bearer {KEY}"}, 401),
        ("shared", {"Authorization": f"Bearer {KEY}"}, 401),
        ("phone", {"Content-Type": "application/json"}, 415),
        ("phone", {"Content-Type": "text/plain"}, 415),
    ],
)
async def test_wrong_keys_and_types_are_refused(
    house: House, path: str, headers: dict[str, str], status: int
) -> None:
    async with house.http.post(house.endpoint(path), data=FFMPEG, headers=DIRECT | headers) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)


async def test_a_session_is_told_and_trickled_as_the_rfc_says(tmp_path: Path) -> None:
    servers = '[{url="stun:127.0.0.1:9"}, {url="turn:127.0.0.1:9", username="u", credential="p\\"q"}]'
    public = {"GACHI_INGEST__WEBRTC_PUBLIC_ADDRESS": "203.0.113.7"}
    async with a_house(tmp_path, GACHI_INGEST__ICE_SERVERS=servers, **public) as house:
        async with house.http.post(house.endpoint(), data=FFMPEG, headers=DIRECT) as answer:
            text = await answer.text()
            assert answer.status == 201, text
            assert answer.content_type == "application/sdp"
            etag, location = answer.headers["ETag"], answer.headers["Location"]
            assert answer.headers.getall("Link") == [
                '<stun:127.0.0.1:9>; rel="ice-server"',
                '<turn:127.0.0.1:9>; rel="ice-server"; username="u"; credential="p\\"q"; credential-type="password"',
            ]
        assert location.startswith("/whip/phone/")
        assert "203.0.113.7" in text
        assert "profile-level-id=64001f" in text
        assert "a=recvonly" in text
        more = "a=ice-ufrag:7251e6f3\r\na=ice-pwd:8154b287e91f07b61e56e58cc6b99dce\r\na=mid:0\r\n"
        more += "a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n"
        assert await patch(house, location, more, etag) == (204, None)
        assert await patch(house, location, more, None) == (204, None)
        assert await patch(house, location, more, '"other"') == (412, "If-Match")
        assert await patch(house, location, more, "*") == (422, "ice")
        assert await patch(house, location, more.replace("7251e6f3", "another"), etag) == (422, "ice")
        assert await patch(house, location, "what?", etag) == (400, "sdp")
        assert await patch(house, location, more, etag, kind="text/plain") == (415, None)
        assert await patch(house, location + "x", more, etag) == (404, "session")
        assert await patch(house, location, more, etag, key="wrong-key-1") == (401, "stream_key")
        assert (await house.feed()).phase is FeedPhase.CONNECTING  # nothing of it ended the session


async def patch(
    house: House, location: str, body: str, etag: str | None, *, kind: str = FRAGMENT, key: str = KEY
) -> tuple[int, str | None]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    if etag is not None:
        headers["If-Match"] = etag
    async with house.http.patch(house.base + location, data=body, headers=headers) as answer:
        if answer.status == 204:
            return 204, None
        problem = await answer.json(content_type="application/problem+json")
        return answer.status, problem.get("field")


async def test_browsers_of_other_sites_are_let_in(house: House) -> None:
    asks = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    async with house.http.options(house.endpoint(), headers=asks) as answer:
        assert answer.status == 200
        assert answer.headers["Accept-Post"] == "application/sdp"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    async with house.http.options(house.endpoint() + "/session", headers=asks) as answer:
        assert answer.headers["Accept-Patch"] == FRAGMENT


async def test_no_more_senders_than_the_limit(tmp_path: Path) -> None:
    async with a_house(tmp_path, GACHI_INGEST__WEBRTC_SESSIONS="1") as house:
        async with house.http.post(house.endpoint(), data=FFMPEG, headers=DIRECT) as answer:
            assert answer.status == 201
        other = DIRECT | {"Authorization": "Bearer whip-key-2"}
        async with house.http.post(house.endpoint("shared"), data=FFMPEG, headers=other) as answer:
            assert answer.status == 503
            assert "Retry-After" in answer.headers
