"""Pictures of feeds, drawn in a child process: anybody with a stream key decides what is decoded here, and an export that runs
beside goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from media.adapters import feed_wire
from media.adapters.ffmpeg_child import ENVIRONMENT
from media.model.errors import EngineError, SourceError
from media.model.tracks import EncodedPacket, TrackHeader
from runtime.supervision.answering import (
    IDLE,
    AnsweringChild,
    ChildBrokeError,
    ChildStartError,
    Kind,
    answer,
)

MEMORY = 2 << 30
"""Bytes of address space: a keyframe of 8K takes a tenth of it."""


class PictureChild:
    """Draws one picture at a time; close it at the end."""

    def __init__(self, idle: float = IDLE) -> None:
        self._child = AnsweringChild(__name__, idle=idle, environment=ENVIRONMENT)

    @property
    def pid(self) -> int | None:
        """Of the child that runs; None where none does."""
        return self._child.pid

    async def draw(self, header: TrackHeader, keyframe: EncodedPacket) -> bytes:
        """JPEG of a keyframe (`av_picture.draw`). Whoever cancels it, as with a time-out, has the child killed.

        Raises `SourceError` where it does not decode, `EngineError` where the child cannot be had or broke on it.
        """
        try:
            kind, body = await self._child.ask(feed_wire.header(header) + feed_wire.packet(keyframe))
        except ChildBrokeError as error:
            raise EngineError(f"the decoder broke on it ({error})") from error
        except ChildStartError as error:
            raise EngineError(f"no process can be started to draw with: {error}") from error
        if kind is Kind.DONE:
            return body
        raise (SourceError if kind is Kind.DAMAGED else EngineError)(body.decode(errors="replace"))

    async def aclose(self) -> None:
        """End the child."""
        await self._child.aclose()


def _load() -> Callable[[bytes], bytes]:
    # Only here what takes time to import.
    from media.adapters.av_picture import draw

    def drawn(question: bytes) -> bytes:
        header, keyframe = (feed_wire.parse(*each) for each in feed_wire.FrameReader().feed(question))
        assert isinstance(header, TrackHeader)
        assert isinstance(keyframe, EncodedPacket)
        return draw(header, keyframe)

    return drawn


if __name__ == "__main__":
    answer(_load, damaged=SourceError, memory=MEMORY)
