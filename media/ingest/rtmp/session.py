"""One publisher's RTMP session, sans-io: bytes in → events; bytes out are taken when the caller likes.

Commands as encoders give them: connect, releaseStream, FCPublish, createStream, publish, media, FCUnpublish,
deleteStream, closeStream (RTMP 1.0 §7.2; the FC commands are Flash Media Server's). Players are refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from media.ingest.rtmp import amf0, chunks
from media.ingest.rtmp.chunks import ChunkReader, Message
from media.ingest.rtmp.flv import TrackReader
from media.ingest.rtmp.handshake import Handshake
from media.model.errors import SourceError
from media.model.tracks import EncodedPacket, TrackHeader

APP = "live"
_WINDOW = 2_500_000
"""Bytes of the window we announce; and after how many we acknowledge where the sender announces none."""
_OUT_CHUNK = 4096
_COMMANDS, _CONTROL = 3, 2
"""Our chunk streams."""
_MESSAGE_STREAM = 1
_MAX_COMMANDS = 256
"""Commands before the publish; a real encoder needs about five."""


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """Somebody wants to publish. The session takes nothing more until `accept` or `refuse` is called."""

    key: str


@dataclass(frozen=True, slots=True)
class EncoderNamed:
    """The metadata named the encoder, such as ``obs-output module (libobs version 29.0.2)``."""

    name: str


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The sender ended its stream politely."""


Event = PublishRequested | EncoderNamed | Unpublished | TrackHeader | EncodedPacket


class State(Enum):
    """Where a session stands."""

    HANDSHAKE = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    ASKED = auto()
    PUBLISHING = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sender may make us hold, in bytes."""

    message: int = 8 << 20
    message_before_publish: int = 64 << 10


class RefusedError(SourceError):
    """The session was ended by us with the protocol's own error; what to say is among the outgoing bytes."""


class Session:
    """The state machine of one connection."""

    def __init__(self, limits: Limits | None = None, random: Callable[[int], bytes] = os.urandom) -> None:
        self.limits = limits or Limits()
        self.state = State.HANDSHAKE
        self.received = 0
        self._handshake = Handshake(random)
        self._reader = ChunkReader(self.limits.message_before_publish)
        self._tracks = TrackReader()
        self._outgoing = bytearray()
        self._app_rest = ""
        self._commands = 0
        self._acknowledged = 0
        self._ack_every = _WINDOW
        self._publish_stream = _MESSAGE_STREAM

    @property
    def corrected(self) -> int:
        """Decode times that had to be put in order."""
        return self._tracks.corrected

    @property
    def held(self) -> int:
        """Bytes of unfinished input held now."""
        return self._reader.held

    def take_outgoing(self) -> bytes:
        """What is to be sent; empty where nothing is."""
        out = bytes(self._outgoing)
        self._outgoing.clear()
        return out

    def receive(self, data: bytes, arrived: int = 0) -> list[Event]:
        """Events of `data`, which came at `arrived` (Unix microseconds).

        Raises `SourceError` when the sender is at fault; the connection is to be closed after sending what is outgoing.
        Stops after a `PublishRequested`: answer it, then call again (with ``b""`` if nothing more came).
        """
        self.received = self.received + len(data) & 0xFFFFFFFF
        if self.state is State.HANDSHAKE:
            reply, data = self._handshake.receive(data)
            self._outgoing += reply
            if not self._handshake.done:
                return []
            self.state = State.CONNECTING
        self._reader.feed(data)
        events: list[Event] = []
        while self.state not in {State.ASKED, State.CLOSED} and (message := self._reader.next()) is not None:
            self._message(message, arrived, events)
        if self.received - self._acknowledged & 0xFFFFFFFF >= self._ack_every:
            self._acknowledged = self.received
            self._control(chunks.ACKNOWLEDGEMENT, self.received.to_bytes(4, "big"))
        return events

    def accept(self) -> None:
        """Let the publisher go ahead. Only after `PublishRequested`."""
        assert self.state is State.ASKED
        self.state = State.PUBLISHING
        self._reader.max_message = self.limits.message
        stream_begin = b"\x00\x00"
        self._control(chunks.USER_CONTROL, stream_begin + self._publish_stream.to_bytes(4, "big"))
        self._status("status", "NetStream.Publish.Start", "publishing")

    def refuse(self, reason: str) -> None:
        """Send the publisher away with `reason`, which its user may get to read. Only after `PublishRequested`."""
        assert self.state is State.ASKED
        self.end(reason, code="NetStream.Publish.BadName")

    def end(self, reason: str, code: str = "NetStream.Publish.Failed") -> None:
        """Tell the sender that it is over; the connection is to be closed once that is sent."""
        if self.state in {State.PUBLISHING, State.ASKED}:
            self._status("error", code, reason)
        self.state = State.CLOSED

    # --- messages ---

    def _message(self, message: Message, arrived: int, events: list[Event]) -> None:
        kind = message.type
        if kind in {chunks.VIDEO, chunks.AUDIO}:
            if self.state is not State.PUBLISHING:
                raise SourceError("media was sent before publish")
            read = self._tracks.video if kind == chunks.VIDEO else self._tracks.audio
            unit = read(message.payload, message.timestamp, arrived)
            if unit is not None:
                events.append(unit)
        elif kind in {chunks.COMMAND, chunks.COMMAND_AMF3}:
            self._command(_amf_body(message, chunks.COMMAND_AMF3), message.stream, events)
        elif kind in {chunks.DATA, chunks.DATA_AMF3}:
            self._data(_amf_body(message, chunks.DATA_AMF3), events)
        elif kind == chunks.WINDOW_ACK_SIZE and len(message.payload) >= 4:
            # At least every 64 KiB would be silly, and never would stall senders that wait for it.
            self._ack_every = max(65_536, min(_WINDOW, int.from_bytes(message.payload[:4], "big") // 2))
        elif kind == chunks.USER_CONTROL and message.payload[:2] == b"\x00\x06":  # ping request → response
            self._control(chunks.USER_CONTROL, b"\x00\x07" + message.payload[2:6])
        # Acknowledgements, bandwidth wishes and buffer lengths ask for nothing. Aggregates (22) are never sent by encoders.

    def _data(self, body: bytes, events: list[Event]) -> None:
        values = amf0.decode(body)
        for value in values:
            if isinstance(value, dict):
                name = value.get("encoder") or value.get("videoencoder")
                if isinstance(name, str) and name:
                    events.append(EncoderNamed(name[:100]))
                    return

    def _command(self, body: bytes, stream: int, events: list[Event]) -> None:
        values = amf0.decode(body)
        name = values[0] if values else None
        if not isinstance(name, str):
            raise SourceError("a command has no name")
        number = values[1] if len(values) > 1 and isinstance(values[1], float) else 0.0
        arguments = values[2:]
        if self.state is not State.PUBLISHING:
            self._commands += 1
            if self._commands > _MAX_COMMANDS:
                raise SourceError("too many commands without a publish")
        if name == "connect":
            self._connect(number, arguments)
        elif self.state is State.CONNECTING:
            raise SourceError(f"{name[:40]!r} came before connect")
        elif name == "createStream":
            self._reply("_result", number, None, _MESSAGE_STREAM)
        elif name in {"releaseStream", "FCPublish"}:
            self._reply("_result", number, None, None)
        elif name == "publish":
            self._publish(stream, arguments, events)
        elif name in {"play", "play2", "pause", "seek"}:
            self._fail(number, "NetStream.Play.Failed", "this server takes publishers only: watch over HLS")
        elif name in {"FCUnpublish", "deleteStream", "closeStream"}:
            self._unpublish(name, number, events)
        # Others (getStreamLength, _checkbw, …) are notes that expect no answer from a publish server.

    def _connect(self, number: float, arguments: list[amf0.Amf]) -> None:
        if self.state is not State.CONNECTING:
            raise SourceError("connect came twice")
        about = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        app = about.get("app")
        path = app.partition("?")[0].strip("/") if isinstance(app, str) else ""
        # Some people put the whole address into the encoder's server field: then the key is part of the app.
        first, _, self._app_rest = path.partition("/")
        if first != APP:
            self._fail(
                number,
                "NetConnection.Connect.InvalidApp",
                f"no such application: the path must be /{APP}/<stream key>",
            )
        self._control(chunks.WINDOW_ACK_SIZE, _WINDOW.to_bytes(4, "big"))
        self._control(chunks.SET_PEER_BANDWIDTH, _WINDOW.to_bytes(4, "big") + b"\x02")
        self._control(chunks.SET_CHUNK_SIZE, _OUT_CHUNK.to_bytes(4, "big"))
        self.state = State.CONNECTED
        info: dict[str, amf0.Amf] = {
            "level": "status",
            "code": "NetConnection.Connect.Success",
            "description": "connected",
            "objectEncoding": 0,
        }
        self._reply("_result", number, {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31, "mode": 1}, info)

    def _publish(self, stream: int, arguments: list[amf0.Amf], events: list[Event]) -> None:
        if self.state is not State.CONNECTED:
            raise SourceError("publish came twice")
        name = arguments[1] if len(arguments) > 1 else None
        key = (name if isinstance(name, str) else "").partition("?")[0].strip("/")
        self._publish_stream = stream or _MESSAGE_STREAM
        self.state = State.ASKED
        events.append(PublishRequested(key or self._app_rest))

    def _unpublish(self, name: str, number: float, events: list[Event]) -> None:
        if self.state is State.PUBLISHING:
            self.state = State.CLOSED
            events.append(Unpublished())
            self._status("status", "NetStream.Unpublish.Success", "unpublished")
        if name == "FCUnpublish":
            self._reply("_result", number, None, None)

    # --- answers ---

    def _fail(self, number: float, code: str, reason: str) -> None:
        info = {"level": "error", "code": code, "description": reason}
        self._reply("_error", number, None, info)
        self._status("error", code, reason)
        self.state = State.CLOSED
        raise RefusedError(reason)

    def _status(self, level: str, code: str, text: str) -> None:
        body = amf0.encode("onStatus", 0, None, {"level": level, "code": code, "description": text})
        self._send(Message(chunks.COMMAND, self._publish_stream, 0, body), _COMMANDS)

    def _reply(self, name: str, number: float, *values: amf0.Amf) -> None:
        self._send(Message(chunks.COMMAND, 0, 0, amf0.encode(name, number, *values)), _COMMANDS)

    def _control(self, kind: int, payload: bytes) -> None:
        self._send(Message(kind, 0, 0, payload), _CONTROL)

    def _send(self, message: Message, chunk_stream: int) -> None:
        # Before our Set Chunk Size was sent the default holds; our early replies are shorter than that or follow it.
        size = _OUT_CHUNK if self.state not in {State.HANDSHAKE, State.CONNECTING} else chunks.DEFAULT_CHUNK
        self._outgoing += chunks.write(message, chunk_stream=chunk_stream, chunk_size=size)


def _amf_body(message: Message, amf3: int) -> bytes:
    """The AMF0 values of a command or data message; the AMF3 spellings put one byte before them (§7.1.1)."""
    return message.payload[1:] if message.type == amf3 else message.payload
