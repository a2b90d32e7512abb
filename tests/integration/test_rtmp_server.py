"""The listener on a real socket: senders that misbehave, and encoders as they are."""

from __future__ import annotations

import asyncio
import gc
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from media.adapters.av_decode import VideoDecoder
from media.adapters.feed_socket import FeedSocketServer
from media.adapters.feed_tap import SocketFeedTap
from media.ingest.feed import Feed, Publication
from media.ingest.rtmp.server import RtmpServer, ServerLimits
from media.model.errors import NotFoundError, SpecError
from media.model.feed import FeedKind, FeedPhase, FeedSpec, FeedStatus
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from tests.support import rtmp_client as client

KEY = "right-key"


class House:
    """One feed behind a listener and a socket for taps."""

    def __init__(self, folder: Path, limits: ServerLimits) -> None:
        self.history: list[FeedStatus] = []
        self.feed = Feed(FeedSpec("cam", FeedKind.RTMP), self._changed)
        self.rtmp = RtmpServer(self, host="127.0.0.1", port=0, limits=limits)
        self.path = folder / "feeds.sock"
        self.taps = FeedSocketServer(self.path, {"cam": self.feed}.get)
        self._news = asyncio.Event()

    def publish(self, key: str, end: Callable[[str], None]) -> Publication:
        if key != KEY:
            raise NotFoundError("the stream key is not known here")
        return self.feed.open(end)

    def _changed(self, feed: Feed, phase_changed: bool) -> None:
        if phase_changed:
            self.history.append(feed.status)
        self._news.set()

    async def until(self, phase: FeedPhase, within: float = 10.0) -> FeedStatus:
        async with asyncio.timeout(within):
            while self.feed.status.phase is not phase:
                self._news.clear()
                await self._news.wait()
        return self.feed.status

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.feed.tick()
            self._news.set()

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rtmp.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with_errors = await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            assert all(error is None or isinstance(error, OSError) for error in with_errors)


@asynccontextmanager
async def house(folder: Path, limits: ServerLimits | None = None) -> AsyncIterator[House]:
    built = House(folder, limits or ServerLimits())
    await built.rtmp.start()
    await built.taps.start()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in (built.rtmp.run(), built.taps.run(), built.tick())]
        try:
            yield built
        finally:
            for task in running:
                task.cancel()


async def test_a_wrong_key_is_told_and_closed(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.sender() as (reader, writer):
        writer.write(client.opening("wrong") + client.headers())
        said = await client.until_closed(reader, 5)
        assert b"NetStream.Publish.BadName" in said
        assert b"the stream key is not known here" in said
        assert here.rtmp.counters.refused == 1
        assert here.feed.status.phase is FeedPhase.IDLE


async def test_garbage_is_closed_and_counted(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        for junk in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01" + bytes(300),
            client.HELLO + b"\xff" * 5000,
        ):
            async with here.sender() as (reader, writer):
                writer.write(junk)
                await client.until_closed(reader, 5)
        assert here.rtmp.counters.faults == 3
        assert not here.rtmp.connections


async def test_who_connects_and_says_nothing_is_cut(tmp_path: Path) -> None:
    async with house(tmp_path, ServerLimits(publish_within=0.3)) as here:
        async with here.sender() as (reader, _):
            await client.until_closed(reader, 5)
        async with here.sender() as (reader, writer):
            writer.write(client.HELLO)
            await client.until_closed(reader, 5)
        assert here.rtmp.counters.timeouts == 2


async def test_a_sender_that_stops_with_the_socket_open_stalls_and_is_cut(tmp_path: Path) -> None:
    async with house(tmp_path, ServerLimits(silence=3)) as here, here.sender() as (reader, writer):
        writer.write(client.opening(KEY) + client.headers() + client.seconds(1))
        await here.until(FeedPhase.LIVE)
        await here.until(FeedPhase.STALLED)
        assert b"Publish.Failed" in await client.until_closed(reader, 10)
        assert "nothing came for 3 s" in (await here.until(FeedPhase.LOST)).reason


async def test_a_tap_gets_the_ring_then_live_and_new_parameters(tmp_path: Path) -> None:
    other = client.AVCC[:-1] + b"\x01"
    async with house(tmp_path) as here, here.sender() as (_, writer):
        writer.write(client.opening(KEY) + client.metadata() + client.headers() + client.seconds(3))
        await here.until(FeedPhase.LIVE)
        async with asyncio.timeout(10):
            while here.feed.ring.headers.keys() != set(MediaKind) or len(here.feed.ring) < 49:
                await asyncio.sleep(0.01)
        got: list[TrackHeader | EncodedPacket | FeedStatus] = []
        async with asyncio.timeout(10):
            async for value in SocketFeedTap(here.path, "cam"):
                got.append(value)
                if len(got) == 20:
                    writer.write(client.headers(other, b"") + client.seconds(1, 3000))
                if isinstance(value, EncodedPacket) and value.dts >= 3_960_000:
                    break
        assert isinstance(got[0], FeedStatus)
        assert got[0].phase is FeedPhase.LIVE
        assert got[0].peer.endswith("pretend 1.0")
        headers = [(n, each) for n, each in enumerate(got) if isinstance(each, TrackHeader)]
        assert [each.extradata for _, each in headers] == [client.AVCC, client.ASC, other]
        assert (headers[0][1].width, headers[0][1].height) == (640, 360)
        pictures = [each for each in got if isinstance(each, EncodedPacket) and each.kind is MediaKind.VIDEO]
        assert pictures[0].keyframe
        assert [each.dts for each in pictures] == [n * 40_000 for n in range(50, 100)]
        assert all(each.arrived for each in pictures)


async def test_a_tap_outlives_ingest(tmp_path: Path) -> None:
    phases: list[FeedPhase] = []
    again = asyncio.Event()

    async def listen(path: Path) -> None:
        async for value in SocketFeedTap(path, "cam"):
            if isinstance(value, FeedStatus):
                phases.append(value.phase)
                again.set()

    async def told(count: int) -> None:
        async with asyncio.timeout(10):
            while len(phases) < count:
                again.clear()
                await again.wait()

    listener = asyncio.create_task(listen(tmp_path / "feeds.sock"))
    await told(1)  # nobody is there yet
    async with house(tmp_path):
        await told(2)
    await told(3)
    async with house(tmp_path):
        await told(4)
    listener.cancel()
    await asyncio.wait([listener])
    assert phases[:4] == [FeedPhase.LOST, FeedPhase.IDLE, FeedPhase.LOST, FeedPhase.IDLE]


async def test_a_slow_tap_is_skipped_to_a_keyframe(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.sender() as (_, writer):
        here.taps.max_unsent = 200_000
        writer.write(client.opening(KEY) + client.headers(asc=b""))
        await here.until(FeedPhase.CONNECTING)
        got: list[EncodedPacket] = []
        reading = asyncio.Event()

        async def listen() -> None:
            async for value in SocketFeedTap(here.path, "cam"):
                if isinstance(value, EncodedPacket):
                    got.append(value)
                    await reading.wait()

        listener = asyncio.create_task(listen())
        async with asyncio.timeout(10):
            while not here.feed.listeners:
                await asyncio.sleep(0.01)
        number = 0
        async with asyncio.timeout(20):
            while not here.taps.dropped:
                writer.write(client.picture(number * 40, key=number % 25 == 0, size=20_000))
                await writer.drain()
                await asyncio.sleep(0)
                number += 1
            reading.set()
            while not got or got[-1].dts < (number - 1) * 40_000:
                writer.write(client.picture(number * 40, key=number % 25 == 0, size=2000))
                await asyncio.sleep(0.01)
                number += 1
                if number % 25 == 1 and len(got) > 2 and got[-1].dts > 40_000 * (number - 20):
                    break
        listener.cancel()
        await asyncio.wait([listener])
        holes = [b for a, b in itertools.pairwise(got) if b.dts - a.dts > 40_000]
        assert holes
        assert all(each.keyframe for each in holes)


@pytest.mark.parametrize(
    ("reconnects", "idlers", "limit"), [(60, 200, 150), pytest.param(200, 1000, 900, marks=pytest.mark.soak)]
)
async def test_reconnects_and_idle_connections_leave_nothing(
    tmp_path: Path, reconnects: int, idlers: int, limit: int
) -> None:
    async with house(tmp_path, ServerLimits(connections=limit)) as here:

        async def once() -> None:
            async with here.sender() as (_, writer):
                writer.write(client.opening(KEY) + client.headers() + client.seconds(1))
                await here.until(FeedPhase.LIVE)
                writer.write(client.command("FCUnpublish", 6, None, KEY))
                await here.until(FeedPhase.LOST)

        for _ in range(5):
            await once()
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(reconnects):
            await once()
        gc.collect()
        assert len(gc.get_objects()) - before < 1500  # growth by 25 objects a session would be a leak
        idle = [await asyncio.open_connection("127.0.0.1", here.rtmp.port) for _ in range(idlers)]
        async with asyncio.timeout(15):
            while here.rtmp.counters.refused < idlers - limit:
                await asyncio.sleep(0.01)
        assert len(here.rtmp.connections) == limit
        await once()  # who has a key is not kept out by who only holds connections
        async with here.sender() as (_, publisher):
            publisher.write(client.opening(KEY) + client.headers() + client.seconds(1))
            await here.until(FeedPhase.LIVE)
            idle += [await asyncio.open_connection("127.0.0.1", here.rtmp.port) for _ in range(limit)]
            async with asyncio.timeout(15):
                while here.rtmp.counters.refused < idlers:
                    await asyncio.sleep(0.01)
            assert here.feed.status.phase is not FeedPhase.LOST, "nor pushed out by them"
        for _, writer in idle:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in idle), return_exceptions=True)


async def test_an_encoder_that_reconnects_at_once_is_not_refused_for_itself(tmp_path: Path) -> None:
    """Its new connection may be read before the end of its old one. Who stays keeps the feed."""
    async with house(tmp_path) as here, here.sender() as (_, old):
        old.write(client.opening(KEY) + client.headers() + client.seconds(1))
        await here.until(FeedPhase.LIVE)
        async with here.sender() as (reader, other):
            other.write(client.opening(KEY) + client.headers())
            assert b"publishing to this feed already" in await client.until_closed(reader, 5)
        async with here.sender() as (_, new):
            new.write(client.opening(KEY) + client.headers() + client.seconds(1, 5000))
            await asyncio.sleep(0.1)
            assert here.rtmp.counters.refused == 1
            old.close()
            await here.until(FeedPhase.LOST)
            assert (await here.until(FeedPhase.LIVE)).peer.endswith(str(new.get_extra_info("sockname")[1]))
        assert here.rtmp.counters.refused == 1


async def test_a_port_in_use_names_the_setting(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        second = RtmpServer(here, host="127.0.0.1", port=here.rtmp.port)
        with pytest.raises(SpecError, match="in use by another program") as error:
            await second.start()
        assert error.value.field == "ingest.rtmp_port"


# --- encoders as they are ---


def ffmpeg() -> str:
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped,unused-ignore]  # the wheel has no types
    except ImportError:
        pytest.skip("publishing is not tested with ffmpeg: the wheel imageio-ffmpeg is not installed")
    return str(imageio_ffmpeg.get_ffmpeg_exe())


async def run(*command: str, within: float = 40) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(within):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")


PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"]
SOUND = ["-f", "lavfi", "-i", "sine=r=48000"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30"]


class Counting:
    """A listener that notes what passes."""

    def __init__(self) -> None:
        self.headers: list[TrackHeader] = []
        self.packets: list[EncodedPacket] = []

    def header(self, header: TrackHeader) -> None:
        self.headers.append(header)

    def packet(self, packet: EncodedPacket) -> None:
        self.packets.append(packet)

    def status(self, status: FeedStatus) -> None:
        """Not noted."""

    def of(self, kind: MediaKind) -> list[EncodedPacket]:
        return [each for each in self.packets if each.kind is kind]


@pytest.mark.peer
@pytest.mark.parametrize("what", ["both", "bframes", "video", "audio", "long uptime"])
async def test_ffmpeg_publishes(tmp_path: Path, what: str) -> None:
    both = [*PICTURE, *SOUND, "-t", "2", *H264, "-c:a", "aac"]
    arguments = {
        "both": both,
        "bframes": [
            *PICTURE,
            *SOUND,
            *["-t", "2", "-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "2", "-c:a", "aac"],
        ],
        "video": [*PICTURE, "-t", "2", *H264],
        "audio": [*SOUND, "-t", "2", "-c:a", "aac"],
        # Stamps cross 2^24 ms and from there on every chunk carries the extended field.
        "long uptime": [*both, "-output_ts_offset", "16776"],
    }[what]
    async with house(tmp_path) as here:
        counting = Counting()
        here.feed.listeners.add(counting)
        url = f"rtmp://127.0.0.1:{here.rtmp.port}/live/{KEY}"
        code, said = await run(ffmpeg(), "-v", "error", "-re", *arguments, "-f", "flv", url)
        assert code == 0, said
        await here.until(FeedPhase.LOST)
        video, audio = counting.of(MediaKind.VIDEO), counting.of(MediaKind.AUDIO)
        assert len(video) == (0 if what == "audio" else 60)
        assert (len(audio) >= 90) == (what != "video")
        for track in (video, audio):
            assert all(b.dts > a.dts for a, b in itertools.pairwise(track))
        if what == "bframes":
            assert any(each.pts > each.dts for each in video)
            assert sorted(each.pts for each in video) != [each.pts for each in video]
        if what == "long uptime":
            assert 16_776_000_000 <= video[0].dts < 16_777_216_000 < video[-1].dts
        assert here.rtmp.counters.corrected == 0
        assert here.rtmp.counters.faults == 0


@pytest.mark.peer
async def test_ffmpegs_hevc_decodes(tmp_path: Path) -> None:
    hevc = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=30:bframes=2"]
    async with house(tmp_path) as here:
        counting = Counting()
        here.feed.listeners.add(counting)
        url = f"rtmp://127.0.0.1:{here.rtmp.port}/live/{KEY}"
        clip = [*PICTURE, *SOUND, "-t", "2", "-pix_fmt", "yuv420p", *hevc, "-c:a", "aac"]
        code, said = await run(ffmpeg(), "-v", "error", "-re", *clip, "-f", "flv", url)
        assert code == 0, said
        await here.until(FeedPhase.LOST)
    header = next(each for each in counting.headers if each.kind is MediaKind.VIDEO)
    assert header.codec is Codec.HEVC
    decoder = VideoDecoder(header)
    pictures = [picture for packet in counting.of(MediaKind.VIDEO) for picture in decoder.decode(packet)]
    pictures += decoder.flush()
    assert (len(pictures), decoder.errors) == (60, 0)
    assert (pictures[0].frame.width, pictures[0].frame.height) == (320, 180)
    steps = [later.pts - former.pts for former, later in itertools.pairwise(pictures)]
    assert all(32_000 <= step <= 34_000 for step in steps)


@pytest.mark.peer
async def test_ffmpeg_is_told_of_a_wrong_key(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        url = f"rtmp://127.0.0.1:{here.rtmp.port}/live/wrong"
        code, said = await run(ffmpeg(), "-v", "error", *SOUND, "-t", "1", "-c:a", "aac", "-f", "flv", url)
        assert code != 0
        assert "the stream key is not known here" in said


@pytest.mark.peer
async def test_gstreamer_publishes(tmp_path: Path) -> None:
    launch = shutil.which("gst-launch-1.0")
    if launch is None or (await run("gst-inspect-1.0", "rtmp2sink", "x264enc", "avenc_aac"))[0] not in {
        0,
        255,
    }:
        pytest.skip(
            "publishing is not tested with GStreamer: gst-launch-1.0 or its rtmp2sink is not installed"
        )
    async with house(tmp_path) as here:
        counting = Counting()
        here.feed.listeners.add(counting)
        pipeline = (
            "videotestsrc num-buffers=60 is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 ! "
            "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! h264parse ! flvmux name=m streamable=true ! "
            f"rtmp2sink location=rtmp://127.0.0.1:{here.rtmp.port}/live/{KEY} "
            "audiotestsrc num-buffers=94 is-live=true samplesperbuffer=1024 ! audio/x-raw,rate=48000 ! avenc_aac ! m."
        )
        code, said = await run(launch, "-q", *pipeline.split())
        assert code == 0, said
        await here.until(FeedPhase.LOST)
        assert len(counting.of(MediaKind.VIDEO)) == 60
        assert len(counting.of(MediaKind.AUDIO)) >= 85
        assert here.rtmp.counters.faults == 0
