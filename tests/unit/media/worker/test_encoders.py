"""Encoder threads: a slow rung repeats, audio never loses a sample, a failure ends the worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from media.model.errors import EngineError
from media.model.tracks import EncodedTick
from media.packaging.parts import Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.worker import encoders as subject
from media.worker.encoders import AudioThread, RungThread
from tests.support.tape import ANCHOR, spec

CHANNEL = spec()


class Scripted:
    """An encoder of marks: it gives back the tick, as slowly as it is told."""

    def __init__(self, gate: threading.Event | None = None, fails_at: int = -1) -> None:
        self.gate = gate
        self.fails_at = fails_at
        self.pictures: list[object] = []

    def encode(self, tick: int, picture: object) -> list[EncodedTick]:
        if self.gate is not None:
            assert self.gate.wait(10)
        if tick == self.fails_at:
            raise EngineError("broken")
        self.pictures.append(picture)
        return [EncodedTick(tick, tick.to_bytes(4, "big"), tick % CHANNEL.gop_frames == 0)]


def rung(encoder: Scripted) -> tuple[RungThread, list[Part], list[BaseException]]:
    parts: list[Part] = []
    failures: list[BaseException] = []
    segmenter = VideoSegmenter(CHANNEL, "v360", epoch=1, first_msn=0, anchor=ANCHOR)
    thread = RungThread("v360", cast("Any", encoder), segmenter, parts.append, failures.append)
    thread.start()
    return thread, parts, failures


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_parts_come_out_in_order() -> None:
    thread, parts, failures = rung(Scripted())
    for tick in range(40):
        thread.offer(tick, cast("Any", tick))
        until(lambda tick=tick: len(thread._encoder.pictures) > tick)  # type: ignore[attr-defined,misc]  # the scripted encoder's own
    thread.stop()
    assert not failures
    assert [(part.msn, part.index, part.frames) for part in parts] == [
        (0, 0, 10),
        (0, 1, 10),
        (0, 2, 10),
        (0, 3, 10),
    ]


def test_a_slow_rung_repeats_pictures_and_keeps_every_tick() -> None:
    gate = threading.Event()
    encoder = Scripted(gate)
    thread, parts, failures = rung(encoder)
    began = time.monotonic()
    for tick in range(30):
        thread.offer(tick, cast("Any", f"picture {tick}"))
    assert thread.repeated >= 30 - subject.VIDEO_QUEUE - 2
    assert thread.repeated_since(began) == thread.repeated  # which is what a channel's `speed` counts
    assert thread.repeated_since(time.monotonic() + 1) == 0
    gate.set()
    until(lambda: len(encoder.pictures) >= subject.VIDEO_QUEUE)
    thread.offer(30, cast("Any", "picture 30"))
    thread.stop()
    assert not failures
    # Nothing is missing: 31 ticks were coded, the missed ones with the picture that came next.
    assert len(encoder.pictures) == 31
    assert encoder.pictures[-1] == encoder.pictures[-2] == "picture 30"
    assert [part.decode_time for part in parts] == [0, 10 * 512, 20 * 512]


def test_a_failing_encoder_reports_once_and_ends() -> None:
    thread, _, failures = rung(Scripted(fails_at=3))
    for tick in range(6):
        thread.offer(tick, cast("Any", tick))
    until(lambda: bool(failures))
    thread.stop()
    assert [str(failure) for failure in failures] == ["broken"]


class Silent:
    """An audio encoder that holds everything back until it is let go."""

    def __init__(self, gate: threading.Event) -> None:
        self.gate = gate

    def encode(self, samples: object) -> list[bytes]:
        assert self.gate.wait(10)
        return []


def test_audio_that_stands_still_is_an_error_not_a_hole() -> None:
    gate = threading.Event()
    segmenter = AudioSegmenter(CHANNEL, epoch=1, first_msn=0, anchor=ANCHOR)
    failures: list[BaseException] = []
    thread = AudioThread(cast("Any", Silent(gate)), segmenter, lambda _: None, failures.append)
    thread.start()
    samples = np.zeros((1600, 2), np.float32)
    for _ in range(subject.AUDIO_QUEUE):
        thread.offer(samples)
    until(lambda: thread._queue.qsize() < subject.AUDIO_QUEUE)  # one is in work, and stays there
    thread.offer(samples)
    with pytest.raises(EngineError):
        thread.offer(samples)
    gate.set()
    thread.stop()
    assert not failures


def test_an_encoder_that_failed_is_stopped_at_once() -> None:
    # Nobody empties its queue: each stop waited five seconds for a place in it, and the channel was dark meanwhile.
    thread, _, failures = rung(Scripted(fails_at=0))
    thread.offer(0, cast("Any", 0))
    until(lambda: bool(failures))
    for tick in range(subject.VIDEO_QUEUE + 1):
        thread.offer(tick, cast("Any", tick))
    began = time.monotonic()
    thread.stop()
    thread.stop()
    assert time.monotonic() - began < subject.JOIN_TIMEOUT / 5
