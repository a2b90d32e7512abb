from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from media.contracts.feeds import FeedView
from media.contracts.jobs import FeedPicture, GetFeedPicture
from media.jobs.pictures import MAX_MAKING, Items, Pictures
from media.model.errors import ConflictError, EngineError, MediaError, SourceError, UnavailableError
from media.model.feed import FeedKind, FeedPhase, FeedStatus, SecondPublisher
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from runtime.bus.contract import CommandError, Fault

LIVE = FeedStatus(phase=FeedPhase.LIVE)
VIDEO = TrackHeader(MediaKind.VIDEO, Codec.H264)
SOUND = TrackHeader(MediaKind.AUDIO, Codec.AAC)


def unit(data: bytes, *, keyframe: bool = True, kind: MediaKind = MediaKind.VIDEO) -> EncodedPacket:
    return EncodedPacket(kind, 0, 0, keyframe, data, arrived=1_000)


@dataclass
class House:
    """Feeds that say what the test wants, a pen that draws their bytes, and a clock that the test moves."""

    phase: FeedPhase = FeedPhase.LIVE
    codec: str = "h264"
    says: list[TrackHeader | EncodedPacket | FeedStatus] = field(
        default_factory=lambda: [LIVE, SOUND, VIDEO, unit(b"key")]
    )
    error: MediaError | None = None
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    now: float = 100.0
    opened: int = 0
    closed: int = 0
    drawn: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hold.set()

    async def look(self, feed: str) -> FeedView:
        if feed == "missing":
            raise CommandError(Fault.NOT_FOUND, "there is no feed missing")
        return FeedView(
            id=feed, kind=FeedKind.RTMP, name="", second_publisher=SecondPublisher.REFUSE, options={},
            version=1, phase=self.phase, video_codec=self.codec,
        )  # fmt: skip

    async def tap(self, feed: str) -> Items:
        self.opened += 1
        try:
            for item in self.says:
                yield item
            await asyncio.sleep(3600)
        finally:
            self.closed += 1

    async def draw(self, header: TrackHeader, keyframe: EncodedPacket) -> bytes:
        await self.hold.wait()
        if self.error is not None:
            raise self.error
        self.drawn.append(keyframe.data)
        return b"jpeg of " + keyframe.data

    @asynccontextmanager
    async def pictures(self, within: float = 2.0) -> AsyncIterator[Pictures]:
        async with aclosing(
            Pictures(self.look, self.tap, self.draw, clock=lambda: self.now, within=within)
        ) as made:
            yield made


def ask(pictures: Pictures, feed: str = "cam") -> asyncio.Task[FeedPicture]:
    return asyncio.ensure_future(pictures.get(GetFeedPicture(feed=feed)))


async def test_the_first_keyframe_with_its_header_is_what_is_drawn() -> None:
    house = House()
    house.says = [
        LIVE,
        SOUND,
        unit(b"sound", kind=MediaKind.AUDIO),
        unit(b"no header yet"),
        VIDEO,
        unit(b"in between", keyframe=False),
        unit(b"key"),
        unit(b"later"),
    ]
    async with house.pictures() as pictures:
        picture = await ask(pictures)
    assert base64.b64decode(picture.jpeg) == b"jpeg of key"
    assert (picture.feed, picture.taken, picture.fresh) == ("cam", 1_000, 5.0)
    assert house.opened == house.closed == 1, "the tap is left at once"


async def test_all_who_ask_within_five_seconds_get_one_picture() -> None:
    house = House()
    house.hold.clear()
    async with house.pictures() as pictures:
        asking = [ask(pictures) for _ in range(20)]
        await asyncio.sleep(0)
        asking.pop().cancel()  # one that leaves does not take it along
        house.hold.set()
        assert len({(await each).jpeg for each in asking}) == 1
        house.now += 4.9
        assert (await ask(pictures)).fresh == pytest.approx(0.1)
        assert (house.drawn, house.opened) == ([b"key"], 1)
        house.now += 0.1
        house.says[-1] = unit(b"next")
        assert base64.b64decode((await ask(pictures)).jpeg) == b"jpeg of next"
        assert (pictures.figures.made, pictures.figures.kept) == (2, 1)


async def test_nothing_is_opened_where_nobody_looks_or_nothing_is_to_be_seen() -> None:
    house = House()
    async with house.pictures() as pictures:
        await asyncio.sleep(0.01)
        for phase in set(FeedPhase) - {FeedPhase.LIVE}:
            house.phase = phase
            with pytest.raises(ConflictError, match=phase.value):
                await ask(pictures)
        house.phase, house.codec = FeedPhase.LIVE, ""
        with pytest.raises(ConflictError, match="sound alone"):
            await ask(pictures)
        with pytest.raises(CommandError) as missing:
            await ask(pictures, "missing")
        assert missing.value.fault is Fault.NOT_FOUND
        assert (house.opened, pictures.figures.none) == (0, len(FeedPhase) + 1)


async def test_a_keyframe_that_does_not_come_is_waited_for_so_long() -> None:
    house = House()
    house.says = [LIVE, VIDEO, unit(b"in between", keyframe=False)]
    async with house.pictures(within=0.05) as pictures:
        with pytest.raises(UnavailableError, match=r"within 0\.05 s"):
            await ask(pictures)
        assert house.opened == house.closed == 1
        assert pictures.figures.failed == 1


async def test_a_pen_that_hangs_is_taken_away() -> None:
    house = House()
    house.hold.clear()
    async with house.pictures(within=0.05) as pictures:
        with pytest.raises(UnavailableError, match=r"within 0\.05 s"):
            await ask(pictures)
        house.hold.set()
        assert base64.b64decode((await ask(pictures)).jpeg) == b"jpeg of key", (
            "the next one is none the worse"
        )


@pytest.mark.parametrize("error", [SourceError("it does not decode"), EngineError("it broke")])
async def test_what_cannot_be_drawn_is_told_and_not_kept(error: MediaError) -> None:
    house = House(error=error)
    async with house.pictures() as pictures:
        with pytest.raises(UnavailableError, match=str(error)):
            await ask(pictures)
        house.error = None
        assert (await ask(pictures)).jpeg
        assert (pictures.figures.failed, pictures.figures.made) == (1, 1)


async def test_a_feed_that_is_lost_meanwhile_shows_no_old_picture() -> None:
    house = House()
    async with house.pictures() as pictures:
        await ask(pictures)
        house.now += 5
        house.says = [FeedStatus(phase=FeedPhase.LOST, reason="it went away")]
        with pytest.raises(UnavailableError, match="lost: it went away"):
            await ask(pictures)


async def test_only_so_many_are_made_at_once() -> None:
    house = House()
    house.hold.clear()
    async with house.pictures() as pictures:
        asking = [ask(pictures, f"cam-{n}") for n in range(MAX_MAKING)]
        await asyncio.sleep(0.01)
        with pytest.raises(UnavailableError, match="already"):
            await ask(pictures, "one-more")
        house.hold.set()
        assert len(await asyncio.gather(*asking)) == MAX_MAKING
        assert pictures.figures.refused == 1


async def test_closing_ends_what_is_being_made() -> None:
    house = House()
    house.hold.clear()
    async with house.pictures() as pictures:
        asking = ask(pictures)
        await asyncio.sleep(0.01)
    await asyncio.wait([asking], timeout=2)
    assert asking.cancelled()
    assert house.opened == house.closed == 1
