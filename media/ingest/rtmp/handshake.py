"""The RTMP handshake, server side: the plain one (RTMP 1.0 §5.2) and the one with digests that Flash-era clients want.

A client that puts a valid HMAC-SHA256 digest into C1 (librtmp, ffmpeg) checks ours in S1 and S2; any other gets the
plain echo. Nothing is secret here: the keys are published constants, the digest only tells players from proxies.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from media.model.errors import SourceError

SIZE = 1536
"""Bytes of C1, C2, S1 and S2."""
VERSION = 3

_TAIL = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
_PLAYER = b"Genuine Adobe Flash Player 001"
_SERVER = b"Genuine Adobe Flash Media Server 001"
_DIGEST = 32


class Handshake:
    """Bytes of the client in, bytes for the client out; `done` once C2 was read."""

    __slots__ = ("_buffer", "_random", "_replied", "done")

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._buffer = bytearray()
        self._random = random
        self._replied = False
        self.done = False

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Returns (to send, left over for the chunk stream). Raises `SourceError` when this is not RTMP."""
        self._buffer += data
        if not self._buffer:
            return b"", b""
        if self._buffer[0] != VERSION:
            raise SourceError(f"not RTMP: the first byte is 0x{self._buffer[0]:02x}, not 0x03")
        reply = b""
        if not self._replied and len(self._buffer) >= 1 + SIZE:
            reply = self._answer(bytes(self._buffer[1 : 1 + SIZE]))
            self._replied = True
        # C2 echoes S1 in theory; encoders that do not are common, and nothing depends on it.
        if len(self._buffer) >= 1 + 2 * SIZE:
            rest = bytes(self._buffer[1 + 2 * SIZE :])
            self._buffer.clear()
            self.done = True
            return reply, rest
        return reply, b""

    def _answer(self, c1: bytes) -> bytes:
        digest_of_client = _find_digest(c1, _PLAYER)
        if digest_of_client is None:
            s1 = bytes(8) + self._random(SIZE - 8)  # time 0, version 0: the client checks no digest
            return bytes((VERSION,)) + s1 + c1
        digest, place = digest_of_client
        s1 = _with_digest(bytes(4) + bytes((4, 5, 0, 1)) + self._random(SIZE - 8), place, _SERVER)
        filler = self._random(SIZE - _DIGEST)
        key = hmac.digest(_SERVER + _TAIL, digest, sha256)
        return bytes((VERSION,)) + s1 + filler + hmac.digest(key, filler, sha256)


def _place(block: bytes, start: int) -> int:
    """Offset of the digest in a C1/S1 whose offset bytes begin at `start` (8 or 772)."""
    return sum(block[start : start + 4]) % 728 + start + 4


def _digest(block: bytes, at: int, key: bytes) -> bytes:
    return hmac.digest(key, block[:at] + block[at + _DIGEST :], sha256)


def _find_digest(block: bytes, key: bytes) -> tuple[bytes, int] | None:
    """The digest in C1 and where its offset bytes begin (the two known layouts), or None without a valid one."""
    if block[4:8] == bytes(4):
        return None
    for start in (772, 8):
        at = _place(block, start)
        found = block[at : at + _DIGEST]
        if hmac.compare_digest(found, _digest(block, at, key)):
            return found, start
    return None


def _with_digest(block: bytes, start: int, key: bytes) -> bytes:
    at = _place(block, start)
    return block[:at] + _digest(block, at, key) + block[at + _DIGEST :]
