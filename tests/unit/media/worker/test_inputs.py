"""Decoder threads: what goes wrong in one is seen, and it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from media.mix.handover import MixerInput
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from media.worker import inputs as subject

HEADER = TrackHeader(MediaKind.VIDEO, Codec.H264, b"")


class Moody:
    """A decoder that has a bug which some packets find."""

    errors = 0

    def __init__(self, _header: TrackHeader) -> None: ...

    def decode(self, packet: EncodedPacket, *, show: bool = True) -> list[object]:
        if packet.data == b"bug":
            raise IndexError("a bug")
        return [packet.data]


def packet(data: bytes, *, keyframe: bool = False) -> EncodedPacket:
    return EncodedPacket(MediaKind.VIDEO, 0, 0, keyframe, data, 0)


def test_a_bug_in_a_decoder_is_told_and_the_next_keyframe_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The thread ended unseen, and the feed had no picture for as long as the worker lived.
    monkeypatch.setattr(subject, "VideoDecoder", Moody)
    door: MixerInput[Any] = MixerInput()
    thread = subject._TrackThread("cam", MediaKind.VIDEO, cast("Any", door))
    got: list[object] = []

    def decoded(*wanted: bytes) -> None:
        deadline = time.monotonic() + 10
        while got != list(wanted) and time.monotonic() < deadline:
            got.extend(door.take_pictures())
            time.sleep(0.005)
        assert got == list(wanted)

    try:
        thread.offer(HEADER)
        thread.offer(packet(b"1", keyframe=True))
        decoded(b"1")
        for data in (b"bug", b"lost"):
            thread.offer(packet(data))
        thread.offer(packet(b"bug", keyframe=True))
        deadline = time.monotonic() + 10
        while thread.errors < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert thread.errors == 2
        assert "a bug" in thread.reason
        thread.offer(packet(b"2", keyframe=True))
        thread.offer(packet(b"3"))
        decoded(b"1", b"2", b"3")
        assert thread.reason == ""
    finally:
        thread.close()
        thread._thread.join(5)


class Script:
    """A tap that gives what it was made with, and then nothing."""

    def __init__(self, *items: EncodedPacket) -> None:
        self._items = items
        self.given = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[EncodedPacket]:
        for item in self._items:
            yield item
        self.given.set()
        await asyncio.Event().wait()


async def test_the_way_from_the_senders_clock_is_not_told_right_after_it_jumped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at(pts: int) -> EncodedPacket:
        return EncodedPacket(MediaKind.VIDEO, pts, pts, False, b"x", pts)

    def jumped(pts: int) -> EncodedPacket:
        return EncodedPacket(MediaKind.VIDEO, pts - 50_000_000, pts - 50_000_000, False, b"x", pts)

    for items, shift in (((at(0), at(33_333)), 0), ((at(0), jumped(33_333)), 50_000_000)):
        tap = Script(*items)
        taken = subject.FeedInput("cam", cast("Any", tap), cast("Any", MixerInput()))
        running = asyncio.create_task(taken.run())
        await tap.given.wait()
        assert taken.shift == (None if shift else 0)
        monkeypatch.setattr(subject, "JUMPED", 0.0)
        assert taken.shift == shift
        monkeypatch.undo()
        running.cancel()
        await asyncio.wait([running])
