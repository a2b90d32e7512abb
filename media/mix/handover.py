"""The door between the decoder threads and the tick: bounded, lock-free, oldest out first.

`deque.append` and `deque.popleft` are atomic in CPython; nothing else is done from two threads.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from media.mix.units import DecodedPicture, DecodedSound, PictureT

ItemT = TypeVar("ItemT")

PICTURES = 16
"""Half a second at 30 fps; the tick empties it thirty times a second, so it fills only when ticks are late."""
SOUNDS = 256
"""Five seconds of AAC access units."""


class MixerInput(Generic[PictureT]):
    """One input's mailbox. `put_*` from decoder threads, `take_*` from the tick thread."""

    def __init__(self) -> None:
        self._pictures: deque[DecodedPicture[PictureT]] = deque()
        self._sounds: deque[DecodedSound] = deque()
        self.dropped_pictures = 0
        self.dropped_sounds = 0

    def put_picture(self, picture: DecodedPicture[PictureT]) -> None:
        """Hand over a picture; past `PICTURES` the oldest is dropped and counted. One thread only."""
        self._pictures.append(picture)
        if len(self._pictures) > PICTURES and _popped(self._pictures):
            self.dropped_pictures += 1

    def put_sound(self, sound: DecodedSound) -> None:
        """Hand over samples; past `SOUNDS` blocks the oldest is dropped and counted. One thread only."""
        self._sounds.append(sound)
        if len(self._sounds) > SOUNDS and _popped(self._sounds):
            self.dropped_sounds += 1

    def take_pictures(self) -> list[DecodedPicture[PictureT]]:
        """What came since the last call, oldest first."""
        return _taken(self._pictures)

    def take_sounds(self) -> list[DecodedSound]:
        """What came since the last call, oldest first."""
        return _taken(self._sounds)


def _taken(queue: deque[ItemT]) -> list[ItemT]:
    """Empty the queue as far as it was filled at the call."""
    taken: list[ItemT] = []
    for _ in range(len(queue)):
        try:
            taken.append(queue.popleft())
        except IndexError:
            break  # the other thread dropped one in between
    return taken


def _popped(queue: deque[ItemT]) -> bool:
    """Drop the oldest; False where the other thread was faster."""
    try:
        queue.popleft()
    except IndexError:
        return False
    return True
