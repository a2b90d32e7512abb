from __future__ import annotations

from dataclasses import replace

import pytest

from media.ingest.feed import Feed
from media.ingest.ring import GopRing
from media.model.errors import ConflictError
from media.model.feed import FeedKind, FeedPhase, FeedSpec, FeedStatus, SecondPublisher
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from runtime.clock import ManualClock
from tests.support.rtmp_client import ASC, AVCC

VIDEO = TrackHeader(MediaKind.VIDEO, Codec.H264, AVCC)
AUDIO = TrackHeader(MediaKind.AUDIO, Codec.AAC, ASC, sample_rate=48_000, channels=2)


def frame(dts: int, *, key: bool = False, size: int = 1000) -> EncodedPacket:
    return EncodedPacket(MediaKind.VIDEO, dts, dts, key, bytes(size))


def sound(dts: int) -> EncodedPacket:
    return EncodedPacket(MediaKind.AUDIO, dts, dts, True, bytes(100))


class World:
    """A feed under a clock of ours, with all that it reports."""

    def __init__(
        self, policy: SecondPublisher = SecondPublisher.REFUSE, *, kind: FeedKind = FeedKind.RTMP
    ) -> None:
        self.clock = ManualClock()
        self.changes: list[FeedStatus] = []
        self.reports = 0
        self.feed = Feed(FeedSpec("cam", kind, second_publisher=policy), self.on_change, self.clock)
        self.ended: list[str] = []

    def on_change(self, feed: Feed, phase_changed: bool) -> None:
        if phase_changed:
            self.changes.append(feed.status)
        else:
            self.reports += 1

    @property
    def phases(self) -> list[FeedPhase]:
        return [each.phase for each in self.changes]

    def stream(self, seconds: float) -> None:
        publication = self.publication
        for number in range(round(seconds * 25)):
            publication.packet(frame(number * 40_000, key=number % 25 == 0))
            self.clock.advance(0.04)
            if number % 6 == 5:
                self.feed.tick()

    def publish(self) -> None:
        self.publication = self.feed.open(self.ended.append)
        self.publication.connecting("10.0.0.1:5")
        self.publication.header(VIDEO)


def test_a_feed_goes_live_stalls_returns_and_is_lost() -> None:
    world = World()
    assert world.feed.status == FeedStatus()
    world.publish()
    world.stream(5)
    status = world.feed.status
    assert (status.width, status.height, status.video_codec) == (640, 360, "h264")
    assert status.frame_rate == 25.0
    assert status.bitrate == pytest.approx(25 * 8000, rel=0.1)
    assert world.reports == 2
    world.clock.advance(1.1)
    world.feed.tick()
    assert world.feed.status.phase is FeedPhase.STALLED
    assert world.feed.status.age == pytest.approx(1.1, abs=0.3)
    world.publication.packet(frame(9_000_000, key=True))
    world.publication.lost("the sender closed the connection")
    assert world.phases == [
        FeedPhase.CONNECTING, FeedPhase.LIVE, FeedPhase.STALLED, FeedPhase.LIVE, FeedPhase.LOST,
    ]  # fmt: skip
    assert world.changes[-1].reason == "the sender closed the connection"
    assert [each.since for each in world.changes] == sorted(each.since for each in world.changes)
    assert len(world.feed.ring) == 0


def test_a_picture_that_stops_while_sound_goes_on_has_no_rate() -> None:
    world = World()
    world.publish()
    world.stream(3)
    assert world.feed.status.frame_rate == 25.0
    for number in range(30):
        world.publication.packet(sound(3_000_000 + number * 100_000))
        world.clock.advance(0.1)
        world.feed.tick()
    assert (world.feed.status.phase, world.feed.status.frame_rate) == (FeedPhase.LIVE, 0.0)


def test_a_browser_that_never_connected_does_not_keep_the_next_one_out() -> None:
    world = World(kind=FeedKind.WHIP)
    world.publish()
    assert world.feed.status.phase is FeedPhase.CONNECTING
    world.publish()
    assert world.ended == ["another sender took over this feed"]
    world.stream(1)
    with pytest.raises(ConflictError):
        world.feed.open(world.ended.append)


def test_a_clock_that_runs_wrong_is_told_while_it_does_and_mended_for_all_who_listen() -> None:
    world = World()
    world.publish()
    start = world.clock.wall()
    for number in range(150):  # stamped for 25 a second, and 10 come
        sent = frame(number * 40_000, key=number % 25 == 0)
        world.publication.packet(replace(sent, arrived=start + number * 100_000))
        world.clock.advance(0.1)
        world.feed.tick()
    assert world.feed.status.phase is FeedPhase.LIVE
    assert world.feed.status.reason.startswith("the sender's clock runs at 0.4 times real time: its picture ")
    assert world.feed.status.frame_rate == pytest.approx(10, abs=0.5)
    assert world.feed.discipline
    assert world.feed.discipline.corrections == 1
    world.publication.lost("it went away")
    assert world.feed.discipline.rates == {}
    world.publish()
    assert world.feed.status.reason == ""


def test_a_second_publisher_is_refused_while_the_first_is_live() -> None:
    world = World()
    world.publish()
    world.stream(1)
    with pytest.raises(ConflictError):
        world.feed.open(lambda _: None)
    world.clock.advance(1.5)
    world.feed.tick()  # stalled: most likely the same encoder, back after its network broke
    world.feed.open(lambda _: None)
    assert len(world.ended) == 1


def test_a_second_publisher_takes_over_where_it_may() -> None:
    world = World(SecondPublisher.TAKE_OVER)
    world.publish()
    world.stream(1)
    former = world.publication
    world.publish()
    assert world.ended == ["another sender took over this feed"]
    former.packet(frame(99_000_000, key=True))
    former.lost("late")
    assert world.feed.status.phase is FeedPhase.CONNECTING
    assert len(world.feed.ring) == 0


def test_what_cannot_be_used_fails_the_feed() -> None:
    world = World()
    world.publish()
    world.publication.failed("HEVC video is not supported: set the encoder to H.264")
    world.publication.lost("the sender closed the connection")
    assert world.phases == [FeedPhase.CONNECTING, FeedPhase.FAILED]
    assert "HEVC" in world.feed.status.reason


def test_the_ring_holds_one_group_of_pictures_and_its_sound() -> None:
    ring = GopRing()
    ring.header(VIDEO)
    ring.header(AUDIO)
    ring.packet(frame(0))  # before any keyframe: of no use
    ring.packet(frame(40_000, key=True))
    ring.packet(sound(50_000))
    ring.packet(sound(90_000))  # ahead of its picture
    ring.packet(frame(80_000, key=True))
    ring.packet(frame(120_000))
    assert [(each.kind.value, each.dts) for each in ring] == [
        ("audio", 90_000), ("video", 80_000), ("video", 120_000),
    ]  # fmt: skip
    assert ring.size == 2100


def test_the_ring_is_bounded_in_bytes_and_time() -> None:
    ring = GopRing(max_bytes=10_000)
    ring.header(VIDEO)
    ring.packet(frame(0, key=True))
    for number in range(1, 100):
        ring.packet(frame(number * 40_000))
        assert ring.size <= 10_000
    assert (len(ring), ring.overflows) == (0, 1)
    ring.packet(frame(5_000_000, key=True))
    assert len(ring) == 1
    ring = GopRing(max_micros=1_000_000)
    ring.header(VIDEO)
    ring.packet(frame(0, key=True))
    for number in range(1, 100):
        ring.packet(frame(number * 40_000, size=1))
    assert (len(ring), ring.overflows) == (0, 1)


def test_the_ring_of_sound_alone_is_bounded() -> None:
    ring = GopRing()
    ring.header(AUDIO)
    for number in range(5000):
        ring.packet(sound(number * 21_333))
    assert 90 <= len(ring) <= 200
    for _ in range(1000):  # a clock that stands still
        ring.packet(sound(5000 * 21_333))
    assert len(ring) < 2000


def test_new_parameters_empty_the_ring_until_their_keyframe() -> None:
    ring = GopRing()
    ring.header(VIDEO)
    ring.packet(frame(0, key=True))
    ring.header(TrackHeader(MediaKind.VIDEO, Codec.H264, AVCC + b"\0"))
    ring.packet(frame(40_000))
    assert len(ring) == 0
    ring.packet(frame(80_000, key=True))
    assert len(ring) == 1
