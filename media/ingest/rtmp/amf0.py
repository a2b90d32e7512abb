"""AMF0, the value encoding of RTMP commands (Adobe "Action Message Format -- AMF 0", 2007).

Bounded: nesting to `MAX_DEPTH`, values to `MAX_VALUES` a message; the message itself is bounded by the chunk layer.
Undefined, unsupported and null all decode to None: no command of ours tells them apart.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from media.model.errors import SourceError

Amf: TypeAlias = "float | bool | str | Mapping[str, Amf] | Sequence[Amf] | None"

MAX_DEPTH = 12
MAX_VALUES = 4096

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
_ECMA_ARRAY, _OBJECT_END, _STRICT_ARRAY, _DATE = 0x08, 0x09, 0x0A, 0x0B
_LONG_STRING, _UNSUPPORTED = 0x0C, 0x0D
_XML, _TYPED_OBJECT = 0x0F, 0x10


def decode(data: bytes) -> list[Amf]:
    """All values of a message, in order. Raises `SourceError` on anything that is not AMF0."""
    reader = _Reader(data)
    values: list[Amf] = []
    while not reader.done:
        values.append(reader.value(0))
    return values


def encode(*values: Amf) -> bytes:
    """The message of `values`. Objects are written as anonymous objects, sequences as strict arrays."""
    out = bytearray()
    for value in values:
        _write(out, value)
    return bytes(out)


class _Reader:
    """A cursor over one message."""

    __slots__ = ("_at", "_data", "_left")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._left = MAX_VALUES

    @property
    def done(self) -> bool:
        return self._at >= len(self._data)

    def value(self, depth: int) -> Amf:  # noqa: PLR0911, C901 - one flat branch for each marker of the specification
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise SourceError("an AMF0 value is nested too deep or holds too many values")
        marker = self._take(1)[0]
        if marker == _NUMBER:
            return float(struct.unpack(">d", self._take(8))[0])
        if marker == _BOOLEAN:
            return self._take(1)[0] != 0
        if marker == _STRING:
            return self._text(2)
        if marker in {_LONG_STRING, _XML}:
            return self._text(4)
        if marker == _OBJECT:
            return self._members(depth)
        if marker == _TYPED_OBJECT:
            self._text(2)  # the class name tells us nothing
            return self._members(depth)
        if marker == _ECMA_ARRAY:
            self._take(4)  # a hint only: senders write 0 and more members all the same
            return self._members(depth)
        if marker == _STRICT_ARRAY:
            count = int.from_bytes(self._take(4), "big")
            if count > self._left:
                raise SourceError("an AMF0 array holds too many values")
            return [self.value(depth + 1) for _ in range(count)]
        if marker == _DATE:
            stamp = float(struct.unpack(">d", self._take(8))[0])
            self._take(2)  # time zone: reserved, must be 0
            return stamp
        if marker in {_NULL, _UNDEFINED, _UNSUPPORTED}:
            return None
        raise SourceError(f"AMF0 marker 0x{marker:02x} is unknown")

    def _members(self, depth: int) -> dict[str, Amf]:
        members: dict[str, Amf] = {}
        while True:
            name = self._text(2)
            if not name and self._peek() == _OBJECT_END:
                self._at += 1
                return members
            members[name] = self.value(depth + 1)

    def _peek(self) -> int:
        if self.done:
            raise SourceError("an AMF0 object has no end")
        return self._data[self._at]

    def _text(self, width: int) -> str:
        size = int.from_bytes(self._take(width), "big")
        return self._take(size).decode("utf-8", "replace")

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise SourceError("an AMF0 value is cut short")
        piece = self._data[self._at : end]
        self._at = end
        return piece


def _write(out: bytearray, value: Amf) -> None:
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, int | float):
        out.append(_NUMBER)
        out += struct.pack(">d", value)
    elif isinstance(value, str):
        raw = value.encode("utf-8", "replace")
        if len(raw) < 1 << 16:
            out.append(_STRING)
            out += len(raw).to_bytes(2, "big") + raw
        else:
            out.append(_LONG_STRING)
            out += len(raw).to_bytes(4, "big") + raw
    elif isinstance(value, Mapping):
        out.append(_OBJECT)
        for name, member in value.items():
            raw = name.encode("utf-8", "replace")[: (1 << 16) - 1]
            out += len(raw).to_bytes(2, "big") + raw
            _write(out, member)
        out += bytes((0, 0, _OBJECT_END))
    else:
        out.append(_STRICT_ARRAY)
        out += len(value).to_bytes(4, "big")
        for item in value:
            _write(out, item)
