"""The ingest process as others see it: commands, events, taps; with the sources that it runs itself."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from media.adapters.av_decode import VideoDecoder
from media.contracts.feeds import (
    CreateFeed,
    DeleteFeed,
    FeedChanged,
    FeedDeleted,
    GetFeed,
    ListFeeds,
    RotateKey,
    UpdateFeed,
)
from media.ingest.store import MemoryFeedStore
from media.mix import timecode
from media.model.errors import SpecError
from media.model.feed import FeedKind, FeedPhase
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from runtime.bus.calls import call, events
from runtime.bus.contract import CommandError, Fault
from runtime.bus.local import LocalBus
from tests.support.ingest import SECOND, arrives, collect, ingest, settings

SEED = '[{id="cam", kind="rtmp", stream_key="demo-key-1"}]'


async def test_feeds_are_made_changed_and_removed(tmp_path: Path) -> None:
    config, bus, store = settings(tmp_path), LocalBus(), MemoryFeedStore()
    async with (
        ingest(config, bus, store),
        events(bus, FeedChanged) as changed,
        events(bus, FeedDeleted) as deleted,
    ):
        made = await call(bus, CreateFeed(kind=FeedKind.RTMP, feed="cam-1", name="카메라"))
        assert made.publish_url == f"{made.feed.publish_url}/{made.stream_key}"
        assert len(made.stream_key) == 32
        assert made.stream_key not in str(list(await store.all()))
        assert (await anext(aiter(changed))).feed == made.feed
        renamed = await call(bus, UpdateFeed(feed="cam-1", name="둘", version=1))
        assert (renamed.version, renamed.name) == (2, "둘")
        with pytest.raises(CommandError) as stale:
            await call(bus, UpdateFeed(feed="cam-1", name="x", version=1))
        assert stale.value.fault is Fault.CONFLICT
        rotated = await call(bus, RotateKey(feed="cam-1"))
        assert rotated.stream_key != made.stream_key
        for bad, field in (
            (CreateFeed(kind=FeedKind.RTMP, feed="Bad Id"), "feed"),
            (CreateFeed(kind=FeedKind.RTMP, options={"x": "y"}), "options.x"),
            (CreateFeed(kind=FeedKind.RTMP, stream_key="short"), "stream_key"),
            (CreateFeed(kind=FeedKind.TEST, options={"rate": "0/0"}), "options.rate"),
            (CreateFeed(kind=FeedKind.TEST, options={"width": "641"}), "options.width"),
            (CreateFeed(kind=FeedKind.FILE), "options.path"),
            (CreateFeed(kind=FeedKind.FILE, options={"path": "missing.mp4"}), "options.path"),
            (CreateFeed(kind=FeedKind.FILE, options={"path": "../../etc/passwd"}), "options.path"),
            (CreateFeed(kind=FeedKind.FILE, options={"path": "/etc/passwd"}), "options.path"),
        ):
            with pytest.raises(CommandError) as refused:
                await call(bus, bad)
            assert (refused.value.fault, refused.value.field) == (Fault.INVALID, field)
        await call(bus, DeleteFeed(feed="cam-1"))
        assert (await anext(aiter(deleted))).feed == "cam-1"
        with pytest.raises(CommandError) as missing:
            await call(bus, GetFeed(feed="cam-1"))
        assert missing.value.fault is Fault.NOT_FOUND


async def test_a_restart_loses_no_feed_and_seeds_once(tmp_path: Path) -> None:
    config, bus, store = settings(tmp_path, GACHI_FEEDS__SEED=SEED), LocalBus(), MemoryFeedStore()
    async with ingest(config, bus, store):
        await call(bus, UpdateFeed(feed="cam", name="renamed"))
        await call(bus, CreateFeed(feed="extra", kind=FeedKind.RTMP))
        before = await call(bus, ListFeeds())
    async with ingest(config, bus, store):
        after = await call(bus, ListFeeds())
    assert [(each.id, each.name, each.version) for each in after.feeds] == [
        ("cam", "renamed", 2),
        ("extra", "", 1),
    ]
    assert [each.id for each in before.feeds] == ["cam", "extra"]


async def test_a_seed_that_cannot_work_is_named(tmp_path: Path) -> None:
    config = settings(tmp_path, GACHI_FEEDS__SEED='[{id="clip", kind="file", options={path="no.mp4"}}]')
    with pytest.raises(SpecError, match="no such file") as error:
        async with ingest(config, LocalBus(), MemoryFeedStore()):
            pass
    assert error.value.field == "feeds.seed.0"


async def test_the_pattern_shows_its_time_and_flashes_with_its_beep(tmp_path: Path) -> None:
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()):
        await call(
            bus, CreateFeed(feed="test", kind=FeedKind.TEST, options={"width": "320", "height": "180"})
        )
        got = await collect(config, "test", 5 * SECOND // 2)
    packets = [each for each in got if isinstance(each, EncodedPacket)]
    headers = {each.kind: each for each in got if isinstance(each, TrackHeader)}
    clocks, frames, bright = [], [], []
    video = av.CodecContext.create("h264", "r")
    assert isinstance(video, VideoCodecContext)
    for packet in packets:
        if packet.kind is MediaKind.VIDEO:
            for frame in video.decode(av.Packet(packet.data)):
                luma = frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
                clocks.append((timecode.read(luma, timecode.ROW_FEED_CLOCK), packet))
                frames.append(timecode.read(luma, timecode.ROW_FEED_FRAME))
                if luma[40:100].mean() > 220:
                    bright.append(packet.pts)
    assert all(b is not None and a is not None and b - a == 1 for a, b in pairwise(frames))
    for clock, packet in clocks:
        assert clock is not None
        # Drawn when its moment came, and here within a quarter of a second even on a busy machine.
        assert 0 <= packet.arrived // 1000 % (1 << timecode.VALUE_BITS) - clock < 250
    flashes = [at for at in bright if at - 33_334 not in bright]
    # A tick's picture comes before its sound: what was taken may end between the two of the last flash.
    heard = max(each.pts for each in packets if each.kind is MediaKind.AUDIO)
    starts = [b for a, b in pairwise(bright) if b - a > 500_000 and b + SECOND // 10 < heard]
    assert starts
    assert set(starts) <= set(flashes)
    audio = av.CodecContext.create("aac", "r")
    assert isinstance(audio, AudioCodecContext)
    audio.extradata = headers[MediaKind.AUDIO].extradata
    beeps, quiet = [], True
    for packet in packets:
        if packet.kind is MediaKind.AUDIO:
            for sound in audio.decode(av.Packet(packet.data)):
                samples = np.abs(sound.to_ndarray()[0])
                loud = np.flatnonzero(samples > 0.1)
                if len(loud) and quiet:
                    beeps.append(packet.pts + int(loud[0]) * SECOND // 48_000)
                quiet = not len(loud)
    for start in starts:
        assert min(abs(start - beep) for beep in beeps) < 2000


async def test_a_clip_plays_in_real_time_and_loops_without_a_seam(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()):
        options = {"path": "clip.mp4", "loop": "true"}
        await call(bus, CreateFeed(feed="clip", kind=FeedKind.FILE, options=options))
        began = asyncio.get_running_loop().time()
        got = await collect(config, "clip", 7 * SECOND // 2)
        assert asyncio.get_running_loop().time() - began > 3
        assert (await call(bus, GetFeed(feed="clip"))).phase is FeedPhase.LIVE
    video = [each for each in got if isinstance(each, EncodedPacket) and each.kind is MediaKind.VIDEO]
    steps = {b.dts - a.dts for a, b in pairwise(video)}
    assert steps <= {40_000}
    assert sorted({b - a for a, b in pairwise(sorted(each.pts for each in video)[:-4])}) == [40_000]


async def test_a_looped_clip_that_is_replaced_is_taken_up_again(tmp_path: Path) -> None:
    clip, other = tmp_path / "clip.mp4", tmp_path / "half"
    write_clip(clip)
    whole = clip.read_bytes()
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()):
        options = {"path": "clip.mp4", "loop": "true"}
        await call(bus, CreateFeed(feed="clip", kind=FeedKind.FILE, options=options))
        await arrives(bus, "clip", FeedPhase.LIVE)
        other.write_bytes(whole[: len(whole) // 3])
        other.replace(clip)
        await arrives(bus, "clip", FeedPhase.LOST)
        clip.write_bytes(whole)
        await arrives(bus, "clip", FeedPhase.LIVE)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
async def test_a_clip_of_a_phone_held_upright_stands_upright(
    tmp_path: Path, degrees: int, turns: int
) -> None:
    """The container says how the phone was held; nothing of it is in the bitstream."""
    write_clip(tmp_path / "clip.mp4", rotation=degrees)
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()):
        await call(bus, CreateFeed(feed="clip", kind=FeedKind.FILE, options={"path": "clip.mp4"}))
        got = await collect(config, "clip", SECOND // 2)
    header = next(each for each in got if isinstance(each, TrackHeader) and each.kind is MediaKind.VIDEO)
    decoder, shown = VideoDecoder(header), []
    for each in got:
        if isinstance(each, EncodedPacket) and each.kind is MediaKind.VIDEO:
            shown += [picture.frame for picture in decoder.decode(each)]
    assert shown
    for frame in shown:
        luma = np.rot90(frame.to_ndarray(format="gray"), -turns)
        assert luma.shape == (90, 160)
        assert luma[:20].mean() > luma[40:].mean() + 100, "the bright edge is where the camera had it"


async def test_a_clip_of_sound_alone_plays(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        assert isinstance(stream, AudioStream)
        for _ in range(60):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()):
        await call(bus, CreateFeed(feed="song", kind=FeedKind.FILE, options={"path": "song.m4a"}))
        await arrives(bus, "song", FeedPhase.LIVE)


async def test_a_clip_that_ended_is_lost_with_its_reason(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()), events(bus, FeedChanged) as changed:
        await call(bus, CreateFeed(feed="clip", kind=FeedKind.FILE, options={"path": "clip.mp4"}))
        async with asyncio.timeout(15):
            async for event in changed:
                if event.feed.phase is FeedPhase.LOST:
                    assert event.feed.reason == "it is at its end"
                    break


async def test_a_clip_of_another_codec_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mkv", codec="mpeg4")
    config, bus = settings(tmp_path), LocalBus()
    async with ingest(config, bus, MemoryFeedStore()):
        with pytest.raises(CommandError, match="is mpeg4: convert it") as error:
            await call(bus, CreateFeed(kind=FeedKind.FILE, options={"path": "clip.mkv"}))
        assert error.value.field == "options.path"
        (tmp_path / "text.mp4").write_text("#EXTM3U\nhttp://example.org/x.ts\n")
        with pytest.raises(CommandError, match="cannot be read as a video"):
            await call(bus, CreateFeed(kind=FeedKind.FILE, options={"path": "text.mp4"}))


def write_clip(path: Path, codec: str = "libx264", rotation: int = 0) -> None:
    """One second and a half at 25 frames per second, with B-frames where the codec has them, no sound.

    A bright edge on top, where a rotation is asked for.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        if codec == "libx264":
            stream.options = {"preset": "veryfast", "x264-params": "bframes=2:keyint=25:scenecut=0"}
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(38):
            shade = np.full((135, 160), 40 + number * (0 if rotation else 4), np.uint8)
            if rotation:
                shade[:20] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="yuv420p")))
        container.mux(stream.encode(None))
