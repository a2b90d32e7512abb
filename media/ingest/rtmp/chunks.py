"""The RTMP chunk stream (RTMP 1.0 §5.3, §5.4): bytes ↔ messages.

The reader keeps a bounded amount: one message in the making per chunk stream, all of them together at most one
largest message, at most `MAX_STREAMS` of them. Set Chunk Size and Abort are obeyed here; all else is returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from media.model.errors import SourceError

MAX_STREAMS = 32
"""Chunk streams one sender may use; real encoders use up to six."""
MAX_CHUNK = 1 << 20
DEFAULT_CHUNK = 128

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW_ACK_SIZE, SET_PEER_BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, DATA_AMF3, COMMAND_AMF3, DATA, COMMAND, AGGREGATE = 8, 9, 15, 17, 18, 20, 22

_EXTENDED = 0xFFFFFF
_HEADER_SIZES = (11, 7, 3, 0)
_MASK32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Message:
    """One RTMP message. `timestamp` is milliseconds modulo 2^32 as sent; `stream` the message stream id."""

    type: int
    stream: int
    timestamp: int
    payload: bytes


@dataclass(slots=True)
class _Stream:
    """What a chunk stream remembers between chunks."""

    timestamp: int = 0
    step: int = 0
    """Timestamp field of the last header: a delta, or after a type 0 header its absolute time (§5.3.1.2.4)."""
    extended: bool = False
    length: int = 0
    type: int = 0
    stream: int = 0
    payload: bytearray = field(default_factory=bytearray)
    open: bool = False
    """A message is begun and not yet whole."""


class ChunkReader:
    """Pull messages out of the bytes of a sender. `feed` bytes, then call `next` until it returns None."""

    __slots__ = (
        "_at",
        "_buffer",
        "_current",
        "_left",
        "_pending",
        "_streams",
        "chunk_size",
        "discarded",
        "max_message",
    )

    def __init__(self, max_message: int) -> None:
        self.max_message = max_message
        """Bytes; may be raised once the sender is known."""
        self.chunk_size = DEFAULT_CHUNK
        self.discarded = 0
        """Messages that were begun and never finished."""
        self._buffer = bytearray()
        self._at = 0
        self._streams: dict[int, _Stream] = {}
        self._current: _Stream | None = None
        self._left = 0
        self._pending = 0

    @property
    def held(self) -> int:
        """Bytes held now: unread input and messages in the making."""
        return len(self._buffer) - self._at + self._pending

    def feed(self, data: bytes) -> None:
        """Add bytes as they came."""
        self._buffer += data

    def next(self) -> Message | None:
        """The next whole message, or None until more bytes are fed. Raises `SourceError` on a broken stream."""
        while True:
            current = self._current
            if current is None:
                current = self._header()
                if current is None:
                    del self._buffer[: self._at]
                    self._at = 0
                    return None
                self._current = current
            taken = min(self._left, len(self._buffer) - self._at)
            if taken:
                with memoryview(self._buffer) as view:
                    current.payload += view[self._at : self._at + taken]
                self._at += taken
                self._left -= taken
                self._pending += taken
            if self._left:
                del self._buffer[: self._at]
                self._at = 0
                return None
            self._current = None
            if len(current.payload) == current.length:
                message = Message(current.type, current.stream, current.timestamp, bytes(current.payload))
                self._drop(current)
                if not self._control(message):
                    return message

    def _drop(self, stream: _Stream) -> None:
        self._pending -= len(stream.payload)
        stream.payload = bytearray()
        stream.open = False

    def _control(self, message: Message) -> bool:
        if message.type == SET_CHUNK_SIZE:
            size = _word(message.payload) & 0x7FFFFFFF
            if not 1 <= size <= MAX_CHUNK:
                raise SourceError(f"chunk size {size} is outside 1 to {MAX_CHUNK}")
            self.chunk_size = size
            return True
        if message.type == ABORT:
            stream = self._streams.get(_word(message.payload))
            if stream is not None and stream.open:
                self._drop(stream)
                self.discarded += 1
            return True
        return False

    def _header(self) -> _Stream | None:
        """Read one chunk's headers and set `_left`; None while they are not all there (nothing is consumed then)."""
        buffer, at = self._buffer, self._at
        available = len(buffer) - at
        if available < 1:
            return None
        form, number = buffer[at] >> 6, buffer[at] & 0x3F
        basic = 1
        if number < 2:  # 0: one more byte, 1: two more bytes (§5.3.1.1)
            basic = 2 + number
            if available < basic:
                return None
            extra = buffer[at + 1 : at + basic]
            number = 64 + int.from_bytes(extra, "little")
        end = at + basic + _HEADER_SIZES[form]
        if len(buffer) < end:
            return None
        stream = self._streams.get(number)
        if stream is None:
            if form > 1:  # type 1 as a first header is wrong as well, but is sent and says all that is needed
                raise SourceError(f"chunk stream {number} begins without a full header")
            if len(self._streams) >= MAX_STREAMS:
                raise SourceError(f"more than {MAX_STREAMS} chunk streams")
            stream = _Stream()
        done = self._form3(stream, end) if form == 3 else self._form012(stream, form, at + basic, end)
        if done is None:
            return None
        self._streams[number] = stream
        if not stream.open:
            if stream.length > self.max_message:
                raise SourceError(f"a message of {stream.length} bytes is larger than {self.max_message}")
            stream.open = True
        if self._pending + stream.length - len(stream.payload) > self.max_message + self.chunk_size:
            raise SourceError("too many unfinished messages")
        self._left = min(self.chunk_size, stream.length - len(stream.payload))
        self._at = done
        return stream

    def _form012(self, stream: _Stream, form: int, at: int, end: int) -> int | None:
        buffer = self._buffer
        step = int.from_bytes(buffer[at : at + 3], "big")
        extended = step == _EXTENDED
        if extended:
            if len(buffer) < end + 4:
                return None
            step = int.from_bytes(buffer[end : end + 4], "big")
        if stream.open:  # a new message in the middle of another: the former is given up, as other servers do
            self._drop(stream)
            self.discarded += 1
        stream.timestamp = step if form == 0 else (stream.timestamp + step) & _MASK32
        stream.step, stream.extended = step, extended
        if form < 2:
            stream.length = int.from_bytes(buffer[at + 3 : at + 6], "big")
            stream.type = buffer[at + 6]
        if form == 0:
            stream.stream = int.from_bytes(buffer[at + 7 : at + 11], "little")
        return end + 4 if extended else end

    def _form3(self, stream: _Stream, end: int) -> int | None:
        if stream.extended:
            # The field is repeated on type 3 chunks (§5.3.1.3; ffmpeg and librtmp do). Old senders do not: there the
            # next four bytes are payload, which equals the timestamp only by a chance of 2^-32.
            if len(self._buffer) < end + 4:
                return None
            if int.from_bytes(self._buffer[end : end + 4], "big") == stream.step:
                end += 4
        if not stream.open:
            stream.timestamp = (stream.timestamp + stream.step) & _MASK32
        return end


def _word(payload: bytes) -> int:
    if len(payload) < 4:
        raise SourceError("a protocol control message is cut short")
    return int.from_bytes(payload[:4], "big")


def write(message: Message, *, chunk_stream: int, chunk_size: int = DEFAULT_CHUNK) -> bytes:
    """A message as chunks: one type 0 header, then type 3 (§5.3.1.2). `chunk_stream` is 2 to 63."""
    payload = message.payload
    extended = b""
    stamp = message.timestamp
    if stamp >= _EXTENDED:
        extended, stamp = stamp.to_bytes(4, "big"), _EXTENDED
    out = bytearray((chunk_stream,))
    out += stamp.to_bytes(3, "big") + len(payload).to_bytes(3, "big") + bytes((message.type,))
    out += message.stream.to_bytes(4, "little") + extended
    out += payload[:chunk_size]
    for at in range(chunk_size, len(payload), chunk_size):
        out.append(0xC0 | chunk_stream)
        out += extended + payload[at : at + chunk_size]
    return bytes(out)
