"""What an RTMP encoder says, as bytes: handshake, commands, media. For tests that need a sender that misbehaves."""

from __future__ import annotations

import asyncio

from media.ingest.rtmp import amf0, chunks
from media.ingest.rtmp.chunks import Message
from media.ingest.rtmp.handshake import SIZE

# High profile, level 3.0, 640x360 at 30 frames per second, from libx264.
AVCC = bytes.fromhex(
    "0164001effe1001a6764001eacd940a02ff970110000030001000003003c0f162d9601000468ef8fcbfdf8f800"
)
ASC = bytes.fromhex("1190")  # AAC-LC, 48 kHz, stereo
HELLO = bytes((3,)) + bytes(8) + bytes(range(256)) * 5 + bytes(SIZE - 8 - 1280) + bytes(SIZE)
"""C0, C1 and C2 of a plain handshake."""
_CHUNK = 4096


def message(kind: int, payload: bytes, timestamp: int = 0, stream: int = 0, size: int = _CHUNK) -> bytes:
    return chunks.write(Message(kind, stream, timestamp, payload), chunk_stream=4, chunk_size=size)


def command(*values: amf0.Amf, stream: int = 0) -> bytes:
    return message(chunks.COMMAND, amf0.encode(*values), stream=stream)


def opening(key: str, app: str = "live") -> bytes:
    """Everything up to and with the publish, sent without waiting for answers."""
    chunk_size = chunks.write(Message(chunks.SET_CHUNK_SIZE, 0, 0, _CHUNK.to_bytes(4, "big")), chunk_stream=2)
    return (
        HELLO
        + chunk_size
        + command("connect", 1, {"app": app, "type": "nonprivate", "tcUrl": f"rtmp://x/{app}"})
        + command("releaseStream", 2, None, key)
        + command("FCPublish", 3, None, key)
        + command("createStream", 4, None)
        + command("publish", 5, None, key, "live", stream=1)
    )


def metadata() -> bytes:
    return message(
        chunks.DATA,
        amf0.encode("@setDataFrame", "onMetaData", {"encoder": "pretend 1.0", "width": 640}),
        stream=1,
    )


def headers(avcc: bytes = AVCC, asc: bytes = ASC) -> bytes:
    video = message(chunks.VIDEO, b"\x17\x00\x00\x00\x00" + avcc, stream=1) if avcc else b""
    return video + (message(chunks.AUDIO, b"\xaf\x00" + asc, stream=1) if asc else b"")


def picture(timestamp: int, *, key: bool, offset: int = 0, size: int = 200) -> bytes:
    nal = (size - 4).to_bytes(4, "big") + bytes((0x65 if key else 0x41,)) + bytes(size - 5)
    body = bytes((0x17 if key else 0x27, 1)) + (offset & 0xFFFFFF).to_bytes(3, "big") + nal
    return message(chunks.VIDEO, body, timestamp & 0xFFFFFFFF, stream=1)


def sound(timestamp: int, size: int = 40) -> bytes:
    return message(chunks.AUDIO, b"\xaf\x01" + bytes(size), timestamp & 0xFFFFFFFF, stream=1)


def seconds(count: int, start: int = 0) -> bytes:
    """Media of `count` seconds at 25 frames per second, a keyframe each second, sound between."""
    return b"".join(
        picture(start + frame * 40, key=frame % 25 == 0) + sound(start + frame * 40)
        for frame in range(count * 25)
    )


async def until_closed(reader: asyncio.StreamReader, within: float) -> bytes:
    """Everything the server says until it closes the connection."""
    said = b""
    async with asyncio.timeout(within):
        while True:
            try:
                piece = await reader.read(65536)
            except ConnectionError:
                return said
            if not piece:
                return said
            said += piece
