"""What goes over the hub's socket: bytes ↔ frames. Pure.

A frame is ``length:u32 kind:u8 topic_length:u16 topic body``, big-endian; `length` counts what follows it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from runtime.bus.patterns import MAX_TOPIC
from runtime.bus.port import MAX_BODY

MAX_FRAME = 3 + MAX_TOPIC + MAX_BODY
GREETING = b"gachi-bus/1"

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">BH")


class Kind(IntEnum):
    """HELLO comes first, from the client; ACK answers SYNC, after all that was sent before it took effect."""

    HELLO = 1
    PUBLISH = 2
    MESSAGE = 3
    SUBSCRIBE = 4
    UNSUBSCRIBE = 5
    SYNC = 6
    ACK = 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `topic` is a pattern in SUBSCRIBE and UNSUBSCRIBE."""

    kind: Kind
    topic: str = ""
    body: bytes = b""


class FrameError(ValueError):
    """The bytes are no frames of ours; what follows cannot be read either."""


def encode(kind: Kind, topic: str = "", body: bytes = b"") -> bytes:
    """The bytes of a frame. Sizes are the caller's promise (`check_topic`, `check_body`)."""
    name = topic.encode("ascii")
    return b"".join(
        (_LENGTH.pack(_HEAD.size + len(name) + len(body)), _HEAD.pack(kind, len(name)), name, body)
    )


class Splitter:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises `FrameError`; nothing may be fed after that."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if not _HEAD.size <= length <= MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes")
            end = start + _LENGTH.size + length
            if end > len(self._buffer):
                break
            frames.append(_frame(memoryview(self._buffer)[start + _LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return frames


def _frame(view: memoryview) -> Frame:
    # Copied out and released at once: a bytearray with a living view cannot be cut.
    with view:
        kind, size = _HEAD.unpack_from(view)
        content = bytes(view[_HEAD.size :])
    if size > min(MAX_TOPIC, len(content)) or len(content) - size > MAX_BODY:
        raise FrameError("a frame whose parts do not fit it")
    try:
        return Frame(Kind(kind), content[:size].decode("ascii"), content[size:])
    except ValueError as error:
        raise FrameError(f"a frame that makes no sense: {error}") from error
