"""Cameras that are pulled, against a real RTSP server: what they send, and every way in which they let us down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.contracts.feeds import CreateFeed, DeleteFeed, FeedChanged, FeedView, UpdateFeed
from media.ingest.store import MemoryFeedStore
from media.model.feed import FeedKind, FeedPhase
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.bus.calls import call, events
from runtime.bus.contract import CommandError
from runtime.bus.local import LocalBus
from tests.support.ffmpeg_sender import ffmpeg
from tests.support.ingest import SECOND, arrives, becomes, collect, ingest, receivers, settings, undisturbed
from tests.support.rtsp_server import Habits, RtspServer

PASSWORD = "p@ss:w/rd 'quoted'"
pytestmark = pytest.mark.peer


@contextlib.asynccontextmanager
async def pulling(folder: Path, **extra: str) -> AsyncIterator[LocalBus]:
    """The ingest process with cameras allowed on loopback, and a feed beside that must notice nothing."""
    ffmpeg()
    bus = LocalBus()
    limits = {
        "GACHI_INGEST__RTSP_NETWORKS": '["127.0.0.0/8"]',
        "GACHI_INGEST__RTSP_ANSWER": "6",
        "GACHI_INGEST__RTSP_SILENCE": "2",
    }
    async with ingest(settings(folder, **limits | extra), bus, MemoryFeedStore()), undisturbed(bus):
        yield bus
    assert not receivers()


async def pull(bus: LocalBus, url: str, **options: str) -> None:
    await call(bus, CreateFeed(feed="cam", kind=FeedKind.RTSP, options={"url": url, **options}))


def check_media(got: list[TrackHeader | EncodedPacket]) -> None:
    """Every picture and sound decodes, from the first keyframe on."""
    headers = {each.kind: each for each in got if isinstance(each, TrackHeader)}
    video, audio = VideoDecoder(headers[MediaKind.VIDEO]), AudioDecoder(headers[MediaKind.AUDIO])
    pictures = [each for each in got if isinstance(each, EncodedPacket) and each.kind is MediaKind.VIDEO]
    assert pictures[0].keyframe
    shown = sum(len(video.decode(each)) for each in pictures)
    assert shown >= len(pictures) - 4
    heard = [
        sound
        for each in got
        if isinstance(each, EncodedPacket) and each.kind is MediaKind.AUDIO
        for sound in audio.decode(each)
    ]
    assert heard
    assert (video.errors, audio.errors) == (0, 0)
    steps = [later.pts - former.pts for former, later in pairwise(pictures[1:])]
    assert all(33_000 <= step <= 34_000 for step in steps), steps


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_camera_is_played_and_told_goodbye(tmp_path: Path, transport: str) -> None:
    async with RtspServer() as camera, pulling(tmp_path) as bus:
        await pull(bus, camera.url(), transport=transport)
        view = await arrives(bus, "cam", FeedPhase.LIVE)
        assert (view.video_codec, view.width, view.height) == ("h264", 320, 180)
        assert view.peer == f"127.0.0.1:{camera.port}"
        check_media(await collect(settings(tmp_path), "cam", 2 * SECOND))
        assert all(("interleaved" in each) == (transport == "tcp") for each in camera.seen.transports)
        await call(bus, DeleteFeed(feed="cam"))
        assert camera.seen.torn_down == 1


@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
async def test_a_password_opens_the_camera_and_is_shown_to_nobody(
    tmp_path: Path, digest: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    habits = Habits(user=("관리자", PASSWORD), digest=digest)
    async with RtspServer(habits) as camera, pulling(tmp_path) as bus:
        async with events(bus, FeedChanged) as changed:
            await pull(bus, camera.url(), username="관리자", password="not the password")
            lost = await arrives(bus, "cam", FeedPhase.LOST, "refuses user name and password")
            new = {"url": camera.url(), "username": "관리자", "password": PASSWORD}
            await call(bus, UpdateFeed(feed="cam", options=new))
            live = await arrives(bus, "cam", FeedPhase.LIVE)
            told = [str(await anext(aiter(changed))) for _ in range(4)]
        shown = [*told, str(lost), str(live), *receivers().values(), *capfd.readouterr()]
        assert receivers()
        assert dict(live.options) == {"url": camera.url()}
        # Whoever moves the feed to another address does not take the password there.
        async with RtspServer(habits) as other:
            await call(bus, UpdateFeed(feed="cam", options={"url": other.url()}))
            await arrives(bus, "cam", FeedPhase.LOST, "refuses user name and password")
        for text in shown:
            assert "p@ss" not in text
            assert "p%40ss" not in text


async def test_a_camera_that_hangs_is_asked_anew(tmp_path: Path) -> None:
    async with RtspServer(Habits(silent_after=1.5)) as camera, pulling(tmp_path) as bus:
        await pull(bus, camera.url())
        await arrives(bus, "cam", FeedPhase.LIVE)
        await arrives(bus, "cam", FeedPhase.LOST, "it sent nothing for 2 s")
        camera.habits.silent_after = 0
        await arrives(bus, "cam", FeedPhase.LIVE)
        camera.habits.hangs_at = "DESCRIBE"
        camera.cut()
        await arrives(bus, "cam", FeedPhase.LOST, "the camera does not answer")
        camera.habits.hangs_at = ""
        await arrives(bus, "cam", FeedPhase.LIVE)


async def test_what_ends_a_stream_is_told_and_it_comes_back(tmp_path: Path) -> None:
    async with pulling(tmp_path) as bus:
        async with RtspServer() as camera:
            await pull(bus, camera.url())
            await arrives(bus, "cam", FeedPhase.LIVE)
            (receiver,) = receivers()
            os.kill(receiver, signal.SIGKILL)
            await arrives(bus, "cam", FeedPhase.LOST, "the receiving program was killed (SIGKILL)")
            await arrives(bus, "cam", FeedPhase.LIVE)
            camera.cut()
            await arrives(bus, "cam", FeedPhase.LOST, "the camera ended the stream")
            await arrives(bus, "cam", FeedPhase.LIVE)
            port = camera.port
        await arrives(bus, "cam", FeedPhase.LOST, "nothing listens at the camera's address")
        async with RtspServer(port=port):
            await arrives(bus, "cam", FeedPhase.LIVE)


async def test_a_camera_that_sends_us_elsewhere_is_not_followed(tmp_path: Path) -> None:
    async with RtspServer() as inner:
        habits = Habits(redirects_to=inner.url())
        async with RtspServer(habits) as camera, pulling(tmp_path) as bus:
            await pull(bus, camera.url())
            await arrives(bus, "cam", FeedPhase.LOST, "the camera sends us to another address")
        assert inner.seen.connections == 0


async def test_only_hosts_of_the_settings_may_be_asked(tmp_path: Path) -> None:
    networks = {"GACHI_INGEST__RTSP_NETWORKS": json.dumps(["10.0.0.0/8", "0.0.0.0/0"])}
    async with pulling(tmp_path, **networks) as bus:
        for url in (
            "rtsp://127.0.0.1/x",
            "rtsp://localhost/x",
            "rtsp://[::1]/x",
            "rtsp://[::ffff:127.0.0.1]/x",
            "rtsp://169.254.169.254/latest",
            "rtsp://0.0.0.0/x",
            "rtsp://239.1.1.1/x",
            "http://10.0.0.1/x",
            "file:///etc/passwd",
            "rtsp://10.0.0.1/x'\noption x y",
            "rtsp://10.0.0.1:99999/x",
            "",
        ):
            with pytest.raises(CommandError) as refused:
                await pull(bus, url)
            assert refused.value.field == "options.url", url


@pytest.mark.parametrize(
    "habits",
    [Habits(claims_rate=120.0), Habits(claims_rate=1.0)],
    ids=["claims 120", "claims 1"],
)
async def test_a_camera_that_lies_about_its_rate_is_passed_on_as_it_is(
    tmp_path: Path, habits: Habits
) -> None:
    async with RtspServer(habits) as camera, pulling(tmp_path) as bus:
        await pull(bus, camera.url())
        await arrives(bus, "cam", FeedPhase.LIVE)
        check_media(await collect(settings(tmp_path), "cam", 2 * SECOND))


async def test_a_camera_whose_clock_runs_fast_is_placed_by_arrival_and_told(tmp_path: Path) -> None:
    async with RtspServer(Habits(clock=1.5)) as camera, pulling(tmp_path) as bus:
        await pull(bus, camera.url())

        def told(view: FeedView) -> bool:
            return view.phase is FeedPhase.LIVE and "clock runs at 1.5 times real time" in view.reason

        await becomes(bus, "cam", told, 20, "told of its clock")
        got = await collect(settings(tmp_path), "cam", 3 * SECOND)
        packets = [each for each in got if isinstance(each, EncodedPacket)]
        for kind, usual in ((MediaKind.VIDEO, 33_333), (MediaKind.AUDIO, 21_333)):
            track = [each for each in packets if each.kind is kind][-40:]
            step = (track[-1].pts - track[0].pts) / (len(track) - 1)
            assert step == pytest.approx(usual, rel=0.1), kind
