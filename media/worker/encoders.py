"""A thread per encoder: ticks in, parts out.

The mixer must never wait for an encoder, so each thread has a bounded queue. What happens when it is full differs:
a rung *repeats* its last picture for the ticks it missed (its time line stays whole and its IDRs stay aligned with
the other rungs), audio must not lose a sample and ends the worker instead.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from av import VideoFrame

from media.adapters.av_encode import AudioEncoder
from media.model.errors import EngineError
from media.packaging.parts import Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.ports import Encoder

VIDEO_QUEUE = 8
"""Pictures: a quarter of a second at 30 fps, past which a rung repeats."""
AUDIO_QUEUE = 150
"""Ticks: five seconds. AAC costs a hundredth of a core; if it cannot keep up for that long, nothing can."""
REMEMBERED = 600
"""Repeats whose moment is kept: ten seconds at 60 fps, of which five are asked for."""
JOIN_TIMEOUT = 5.0

ItemT = TypeVar("ItemT")

OnPart = Callable[[Part], None]
"""Called on the encoder's thread with each finished part."""
OnFailure = Callable[[BaseException], None]
"""Called on the encoder's thread with what ended it."""


class _EncoderThread(Generic[ItemT]):
    """The thread, its queue and its end."""

    def __init__(self, name: str, size: int, on_failure: OnFailure) -> None:
        # In C, without a lock and two conditions of Python's for each picture. One thread alone offers, so that the size it
        # looks at is only ever too large.
        self._queue: queue.SimpleQueue[ItemT | None] = queue.SimpleQueue()
        self._size = size
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to encode."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items that wait for the encoder."""
        return self._queue.qsize()

    def stop(self) -> None:
        """Encode what is queued, then end; gives up after `JOIN_TIMEOUT` seconds (the process is about to end).

        Returns at once where the thread has ended: nobody empties the queue of an encoder that failed.
        """
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(JOIN_TIMEOUT)

    def _take_on(self, item: ItemT) -> bool:
        """Queue it, where there is room."""
        if self._queue.qsize() >= self._size:
            return False
        self._queue.put(item)
        return True

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._encode(item)
        except BaseException as error:  # noqa: BLE001 - handed on whole, see below
            # Whatever ends an encoder ends the worker: the supervisor decides what follows.
            self._on_failure(error)

    def _encode(self, item: ItemT) -> None:
        raise NotImplementedError


class RungThread(_EncoderThread[tuple[int, VideoFrame]]):
    """One video rendition."""

    def __init__(
        self,
        name: str,
        encoder: Encoder[VideoFrame],
        segmenter: VideoSegmenter,
        on_part: OnPart,
        on_failure: OnFailure,
    ) -> None:
        super().__init__(f"rung-{name}", VIDEO_QUEUE, on_failure)
        self.name = name
        self._encoder = encoder
        self._segmenter = segmenter
        self._on_part = on_part
        self._next = 0
        self.repeated = 0
        """Ticks for which the encoder was too slow and repeated a picture."""
        self._late: deque[float] = deque(maxlen=REMEMBERED)

    def offer(self, tick: int, picture: VideoFrame) -> None:
        """Hand over the picture of a tick; dropped when the encoder is behind (it will repeat)."""
        if not self._take_on((tick, picture)):
            self.repeated += 1
            self._late.append(time.monotonic())

    def repeated_since(self, moment: float) -> int:
        """Ticks since a CLOCK_MONOTONIC second for which the encoder was too slow. Callable from any thread."""
        return sum(late >= moment for late in tuple(self._late))

    def _encode(self, item: tuple[int, VideoFrame]) -> None:
        tick, picture = item
        # Ticks that were dropped get this picture too: x264 codes the repeats as skipped blocks, nearly for nothing.
        while self._next <= tick:
            for unit in self._encoder.encode(self._next, picture):
                part = self._segmenter.push(unit.tick, unit.data, unit.keyframe)
                if part is not None:
                    self._on_part(part)
            self._next += 1


class AudioThread(_EncoderThread[npt.NDArray[np.float32]]):
    """The audio rendition."""

    def __init__(
        self, encoder: AudioEncoder, segmenter: AudioSegmenter, on_part: OnPart, on_failure: OnFailure
    ) -> None:
        super().__init__("audio", AUDIO_QUEUE, on_failure)
        self._encoder = encoder
        self._segmenter = segmenter
        self._on_part = on_part

    def offer(self, samples: npt.NDArray[np.float32]) -> None:
        """Hand over the samples of a tick, shape (n, 2). Raises `EngineError` when the encoder stands still."""
        if not self._take_on(samples):
            raise EngineError("the audio encoder stands still")

    def _encode(self, item: npt.NDArray[np.float32]) -> None:
        for frame in self._encoder.encode(item):
            part = self._segmenter.push(frame)
            if part is not None:
                self._on_part(part)
