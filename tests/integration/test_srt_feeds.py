"""SRT feeds against a real, encrypted sender: what comes through, and every way in which it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from media.adapters.av_decode import AudioDecoder, VideoDecoder
from media.contracts.feeds import CreateFeed, DeleteFeed, FeedSecret, GetFeed, RotateKey, UpdateFeed
from media.ingest.store import MemoryFeedStore
from media.model.feed import FeedKind, FeedPhase, SecondPublisher
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.bus.calls import call
from runtime.bus.contract import CommandError
from runtime.bus.local import LocalBus
from tests.support.ffmpeg_sender import ffmpeg, publishing
from tests.support.ingest import SECOND, arrives, collect, ingest, receivers, settings, undisturbed

pytestmark = pytest.mark.peer


def free_udp_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as looking:
        looking.bind(("127.0.0.1", 0))
        return int(looking.getsockname()[1])


@contextlib.asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[tuple[LocalBus, FeedSecret]]:
    """The ingest process with one SRT feed, `cam`, and a feed beside that must notice nothing."""
    ffmpeg()
    bus = LocalBus()
    ports = {"GACHI_INGEST__SRT_PORT": str(free_udp_port()), "GACHI_INGEST__SRT_PORTS": "1"}
    public = {"GACHI_INGEST__PUBLIC_HOST": "127.0.0.1"}
    async with ingest(settings(folder, **ports, **public), bus, MemoryFeedStore()), undisturbed(bus):
        yield bus, await call(bus, CreateFeed(feed="cam", kind=FeedKind.SRT))
    assert not receivers()


def decoded(got: list[TrackHeader | EncodedPacket]) -> tuple[int, int, int]:
    """Pictures, sounds, errors."""
    headers = {each.kind: each for each in got if isinstance(each, TrackHeader)}
    video, audio = VideoDecoder(headers[MediaKind.VIDEO]), AudioDecoder(headers[MediaKind.AUDIO])
    pictures = sounds = 0
    for each in got:
        if isinstance(each, EncodedPacket) and each.kind is MediaKind.VIDEO:
            pictures += len(video.decode(each))
        elif isinstance(each, EncodedPacket):
            blocks = audio.decode(each)
            assert all(block.samples.shape[1] == 2 for block in blocks)
            sounds += len(blocks)
    return pictures, sounds, video.errors + audio.errors


@pytest.mark.parametrize(
    ("video", "audio", "encode"),
    [
        ("h264", "aac", ("-bf", "2", "-ac", "6")),
        ("hevc", "mp2", ("-c:v", "libx265", "-x265-params", "log-level=error", "-c:a", "mp2")),
        ("h264", "ac3", ("-c:a", "ac3", "-ac", "6")),
    ],
    ids=["h264 with b-frames, aac 5.1", "hevc, mp2", "h264, ac-3 5.1"],
)
async def test_what_an_encrypted_sender_sends_decodes(
    tmp_path: Path, video: str, audio: str, encode: tuple[str, ...]
) -> None:
    async with (
        listening(tmp_path) as (bus, made),
        publishing(f"{made.publish_url}&streamid=desk", "green", *encode, form="mpegts"),
    ):
        await arrives(bus, "cam", FeedPhase.LIVE)
        got = await collect(settings(tmp_path), "cam", 2 * SECOND)
        view = await call(bus, GetFeed(feed="cam"))
    assert (view.video_codec, view.audio_codec, view.width, view.height) == (video, audio, 640, 360)
    assert view.peer.startswith("127.0.0.1:")
    assert view.peer.endswith("(desk)")
    pictures, sounds, errors = decoded(got)
    assert pictures >= 50
    assert sounds >= 30
    assert errors == 0
    for kind in MediaKind:
        stamps = [each.dts for each in got if isinstance(each, EncodedPacket) and each.kind is kind]
        assert all(former < later for former, later in pairwise(stamps))


async def test_nobody_who_sends_costs_no_process_and_deleting_frees_the_port(tmp_path: Path) -> None:
    async with listening(tmp_path) as (bus, made):
        assert not receivers()
        port = int(dict(made.feed.options)["port"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for junk in (b"", b"GET / HTTP/1.1", os.urandom(1400), b"\x80\0\0\0" + bytes(200)):
                stranger.sendto(junk, ("127.0.0.1", port))
        with (
            pytest.raises(OSError, match="in use"),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            other.bind(("127.0.0.1", port))
        with pytest.raises(CommandError, match="ports are taken"):
            await call(bus, CreateFeed(kind=FeedKind.SRT))
        with pytest.raises(CommandError) as refused:
            await call(bus, UpdateFeed(feed="cam", second_publisher=SecondPublisher.TAKE_OVER))
        assert refused.value.field == "second_publisher"
        assert (await call(bus, GetFeed(feed="cam"))).phase is FeedPhase.IDLE
        assert not receivers()
        await call(bus, DeleteFeed(feed="cam"))
        await call(bus, CreateFeed(kind=FeedKind.SRT))


async def test_wrong_passphrases_are_told_and_the_right_one_still_opens(tmp_path: Path) -> None:
    async with listening(tmp_path) as (bus, made):
        wrong = made.publish_url.replace(made.stream_key, "not-the-passphrase")
        async with publishing(wrong, "red", form="mpegts") as sender:
            await arrives(bus, "cam", FeedPhase.LOST, "wrong passphrase")
            assert await sender.wait() != 0
        bare = made.publish_url.partition("?")[0]
        async with publishing(bare, "red", form="mpegts"):
            await arrives(bus, "cam", FeedPhase.LOST, "it has no passphrase set")
        async with publishing(made.publish_url, "green", form="mpegts"):
            live = await arrives(bus, "cam", FeedPhase.LIVE)
            shown = [str(live), *receivers().values()]
            rotated = await call(bus, RotateKey(feed="cam"))
            assert rotated.publish_url == made.publish_url.replace(made.stream_key, rotated.stream_key)
            await arrives(bus, "cam", FeedPhase.LIVE)
        await arrives(bus, "cam", FeedPhase.LOST)
        async with publishing(made.publish_url, "red", form="mpegts"):
            await arrives(bus, "cam", FeedPhase.LOST, "wrong passphrase")
        async with publishing(rotated.publish_url, "green", form="mpegts"):
            shown.append(str(await arrives(bus, "cam", FeedPhase.LIVE)))
            shown += receivers().values()
        assert not any(made.stream_key in text or rotated.stream_key in text for text in shown)


async def test_a_killed_receiver_costs_seconds_and_a_second_sender_nothing(tmp_path: Path) -> None:
    async with listening(tmp_path) as (bus, made):
        async with publishing(made.publish_url, "green", form="mpegts") as sender:
            await arrives(bus, "cam", FeedPhase.LIVE)
            async with publishing(made.publish_url, "red", form="mpegts") as second:
                assert await second.wait() != 0
            view = await call(bus, GetFeed(feed="cam"))
            assert view.phase is FeedPhase.LIVE
            assert sender.returncode is None
            (receiver,) = receivers()
            os.kill(receiver, signal.SIGKILL)
            killed = time.monotonic()
            await arrives(bus, "cam", FeedPhase.LOST, "the receiving program was killed (SIGKILL)")
            # It is told, so that it need not find out by itself in five seconds and more.
            assert await sender.wait() != 0
        async with publishing(made.publish_url, "green", form="mpegts"):
            await arrives(bus, "cam", FeedPhase.LIVE)
            assert time.monotonic() - killed < 15
        await arrives(bus, "cam", FeedPhase.LOST, "the line to the sender broke")
