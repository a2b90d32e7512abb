"""The wire format of ``/realtime``, version 1, as docs/realtime.md tells it: values ↔ JSON texts ↔ WebSocket frames."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NoReturn

from web.realtime.state import Delta, Snapshot, text_of

VERSION = 1
PROTOCOL = "gachi.v1"
"""Sub-protocol that clients offer and we choose (RFC 6455 §1.9)."""
BEARER = "bearer."
"""A sub-protocol that begins so carries a token: scripts of a browser can set no other header."""


class Close(IntEnum):
    """Codes with which we close (RFC 6455 §7.4.1; from 4000 on our own)."""

    GOING = 1001
    UNSUPPORTED = 1003
    POLICY = 1008
    MALFORMED = 4400
    LOGGED_OUT = 4401


class Refusal(StrEnum):
    """Why a topic is not told."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"


class MalformedError(Exception):
    """A frame that means nothing; the text is the reason that its sender is closed with."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Tell these topics, each from an offset of `epoch` on, or (None) from a snapshot."""

    epoch: str
    topics: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Tell these topics no more."""

    topics: Sequence[str]


def request_of(text: str, most_topics: int) -> Subscribe | Unsubscribe:
    """What a client asks for. Raises `MalformedError`."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise MalformedError("no JSON") from error
    if not isinstance(value, dict):
        raise MalformedError("no object")
    topics = value.get("topics")
    match value.get("type"):
        case "subscribe" if isinstance(topics, dict):
            epoch = value.get("epoch", "")
            if not isinstance(epoch, str):
                raise MalformedError("epoch is no text")
            if not all(each is None or (type(each) is int and each >= 0) for each in topics.values()):
                raise MalformedError("an offset is a whole number or null")
            request: Subscribe | Unsubscribe = Subscribe(epoch, topics)
        case "unsubscribe" if isinstance(topics, list) and all(isinstance(each, str) for each in topics):
            request = Unsubscribe(topics)
        case "subscribe" | "unsubscribe":
            raise MalformedError("topics are missing")
        case _:
            raise MalformedError("unknown type")
    if len(request.topics) > most_topics:
        raise MalformedError(f"more than {most_topics} topics")
    return request


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def hello(epoch: str, role: str | None, beat: float) -> bytes:
    """The first frame."""
    return frame(text_of({"type": "hello", "v": VERSION, "epoch": epoch, "role": role, "beat": beat}))


def beat(offset: int) -> bytes:
    """Nothing happened, and the connection lives."""
    return frame(f'{{"type":"beat","offset":{offset}}}')


def refused(topics: Mapping[str, Refusal]) -> bytes:
    """These topics are not told."""
    return frame(text_of({"type": "refused", "topics": topics}))


def snapshot(of: Snapshot) -> bytes:
    """Everything of some topics."""
    return frame(f'{{"type":"snapshot","offset":{of.offset},"topics":{_nested(of.topics)}}}')


def patch(delta: Delta, resumed: Sequence[str] = ()) -> bytes:
    """What changed; `resumed` names topics that are told from now on and need no snapshot."""
    parts = [f'"type":"patch","offset":{delta.offset}']
    if resumed:
        parts.append(f'"resumed":{text_of(list(resumed))}')
    if delta.put:
        parts.append(f'"put":{_nested(delta.put)}')
    if delta.set:
        parts.append(f'"set":{_nested(delta.set)}')
    if delta.gone:
        parts.append(f'"gone":{text_of(delta.gone)}')
    return frame("{" + ",".join(parts) + "}")


def _nested(topics: Mapping[str, Mapping[str, str]]) -> str:
    return _joined({topic: _joined(texts) for topic, texts in topics.items()})


def _joined(texts: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{text_of(key)}:{text}" for key, text in texts.items()) + "}"


_TEXT = 0x81
_PING = 0x89


def frame(text: str) -> bytes:
    """A whole text message as the server's frame (RFC 6455 §5.2: FIN, no mask). Built once, sent to many."""
    return _framed(_TEXT, text.encode("utf-8", "replace"))


PING = struct.pack("!BB", _PING, 0)
"""A ping without a payload (RFC 6455 §5.5.2)."""


def _framed(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", head, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", head, 126, size) + payload
    return struct.pack("!BBQ", head, 127, size) + payload
