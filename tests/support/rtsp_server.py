"""An IP camera: an RTSP 1.0 server (RFC 2326) with H.264 (RFC 6184) and AAC (RFC 3640) over RTP, over TCP or UDP, which
any client plays, and which can be told to misbehave. What it sends is a clip that loops without a seam.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from media.model.tracks import EncodedPacket, MediaKind
from tests.support.media import Clip, ClipSpec, make_clip
from tests.support.publisher import CAMERA, SECONDS

_MTU = 1200
_REALM, _NONCE = "test camera", "5e1f0c"
_CLOCK = {MediaKind.VIDEO: 90_000, MediaKind.AUDIO: 48_000}
_TYPE = {MediaKind.VIDEO: 96, MediaKind.AUDIO: 97}


@dataclass
class Habits:
    """What this camera does. Times are seconds."""

    user: tuple[str, str] | None = None
    """Name and password that it asks for."""
    digest: bool = False
    """It asks by Digest, not by Basic."""
    hangs_at: str = ""
    """The request that it never answers (`OPTIONS`, `DESCRIBE`, `PLAY`)."""
    silent_after: float = 0.0
    """It sends nothing any more from then on, with its connection open; 0 is never."""
    closes_after: float = 0.0
    """It closes the connection then; 0 is never."""
    claims_rate: float = 0.0
    """Pictures a second that its description claims; 0 claims nothing."""
    clock: float = 1.0
    """How fast its timestamps run against real time."""
    redirects_to: str = ""
    status: int = 200
    """Of DESCRIBE."""


@dataclass
class Seen:
    """What its clients did."""

    connections: int = 0
    requests: list[str] = field(default_factory=list)
    """Method and path, in order."""
    refused: int = 0
    """Requests without the right credentials."""
    torn_down: int = 0
    transports: list[str] = field(default_factory=list)


class RtspServer:
    """Use it as an async context manager."""

    def __init__(self, habits: Habits | None = None, spec: ClipSpec = CAMERA, *, port: int = 0) -> None:
        self.habits = habits or Habits()
        self.seen = Seen()
        self.port = port
        self._clip = make_clip(spec)
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def url(self, user: str = "", path: str = "/stream/1") -> str:
        """Where it is, with `name:password` where given."""
        return f"rtsp://{f'{user}@' if user else ''}127.0.0.1:{self.port}{path}"

    def cut(self) -> None:
        """End all connections."""
        for session in self._sessions:
            session.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        self.seen.connections += 1
        try:
            await _Session(self.habits, self.seen, self._clip, reader, writer).run()
        except (OSError, EOFError, ValueError):
            pass
        except asyncio.CancelledError:
            pass  # the test cuts it; nobody waits for more
        finally:
            self._sessions.discard(task)
            writer.transport.abort()


class _Session:
    """One client."""

    def __init__(
        self,
        habits: Habits,
        seen: Seen,
        clip: Clip,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._habits, self._seen, self._clip = habits, seen, clip
        self._reader, self._writer = reader, writer
        self._channels: dict[MediaKind, int | tuple[str, int]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._socket.bind(("127.0.0.1", 0))

    async def run(self) -> None:
        playing: asyncio.Task[None] | None = None
        try:
            while True:
                method, url, headers = await self._request()
                self._seen.requests.append(f"{method} {url}")
                if method == self._habits.hangs_at:
                    await asyncio.Event().wait()
                if not self._answer(method, url, headers):
                    return
                if method == "PLAY" and playing is None:
                    playing = asyncio.create_task(self._play())
        finally:
            if playing is not None:
                playing.cancel()
            self._socket.close()

    async def _request(self) -> tuple[str, str, dict[str, str]]:
        while (first := await self._reader.readexactly(1)) == b"$":  # the client's RTCP
            _, size = struct.unpack(">BH", await self._reader.readexactly(3))
            await self._reader.readexactly(size)
        head = (first + await self._reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest if each)
        }
        method, url, _ = line.split(" ", 2)
        return method, url, headers

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> bool:
        """False where the session is over."""
        sequence = headers["cseq"]
        habits = self._habits
        if method not in {"OPTIONS", "TEARDOWN"} and not self._may(method, headers.get("authorization", "")):
            self._seen.refused += 1
            kind = (
                f'Digest realm="{_REALM}", nonce="{_NONCE}"' if habits.digest else f'Basic realm="{_REALM}"'
            )
            self._reply(401, sequence, {"WWW-Authenticate": kind})
            return True
        if method == "OPTIONS":
            self._reply(200, sequence, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"})
        elif method == "DESCRIBE" and habits.redirects_to:
            self._reply(302, sequence, {"Location": habits.redirects_to})
        elif method == "DESCRIBE":
            described = {"Content-Type": "application/sdp", "Content-Base": f"{url}/"}
            self._reply(habits.status, sequence, described, self._description())
        elif method == "SETUP":
            self._reply(
                200,
                sequence,
                {"Transport": self._set_up(url, headers["transport"]), "Session": "1;timeout=60"},
            )
        else:
            self._seen.torn_down += method == "TEARDOWN"
            self._reply(200, sequence, {"Session": "1"})
        return method != "TEARDOWN"

    def _may(self, method: str, given: str) -> bool:
        if self._habits.user is None:
            return True
        name, password = self._habits.user
        if not self._habits.digest:
            return given == "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="([^"]*)"', given))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        secret, asked = md5(f"{name}:{_REALM}:{password}"), md5(f"{method}:{fields.get('uri', '')}")
        right = md5(f"{secret}:{_NONCE}:{asked}")
        return fields.get("username") == name and fields.get("response") == right

    def _set_up(self, url: str, wanted: str) -> str:
        kind = MediaKind(url.rstrip("/").rpartition("/")[2])
        self._seen.transports.append(wanted)
        if found := re.search(r"interleaved=(\d+)-(\d+)", wanted):
            self._channels[kind] = int(found[1])
            return f"RTP/AVP/TCP;unicast;interleaved={found[1]}-{found[2]}"
        found = re.search(r"client_port=(\d+)-(\d+)", wanted)
        assert found is not None
        host = self._writer.get_extra_info("peername")[0]
        self._channels[kind] = (host, int(found[1]))
        ours = self._socket.getsockname()[1]
        return f"RTP/AVP;unicast;client_port={found[1]}-{found[2]};server_port={ours}-{ours + 1}"

    def _description(self) -> bytes:
        video, audio = self._clip.video, self._clip.audio
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        if video is not None:
            sets = ",".join(base64.b64encode(each).decode() for each in _parameter_sets(video.extradata))
            lines += [
                "m=video 0 RTP/AVP 96",
                "a=rtpmap:96 H264/90000",
                f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}",
                *([f"a=framerate:{self._habits.claims_rate}"] if self._habits.claims_rate else []),
                "a=control:video",
            ]
        if audio is not None:
            form = (
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"
            )
            lines += [
                "m=audio 0 RTP/AVP 97",
                f"a=rtpmap:97 mpeg4-generic/48000/{audio.channels}",
                f"a=fmtp:97 {form};config={audio.extradata.hex()}",
                "a=control:audio",
            ]
        return ("\r\n".join(lines) + "\r\n").encode()

    def _reply(self, status: int, sequence: str, headers: dict[str, str], body: bytes = b"") -> None:
        lines = [f"RTSP/1.0 {status} {'OK' if status == 200 else 'No'}", f"CSeq: {sequence}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    async def _play(self) -> None:
        begun = time.monotonic()
        numbers = dict.fromkeys(MediaKind, 0)
        for packet in _looped(self._clip):
            if packet.kind not in self._channels:
                continue
            at = begun + packet.dts / 1e6
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            since = time.monotonic() - begun
            if self._habits.closes_after and since > self._habits.closes_after:
                self._writer.transport.abort()
                return
            if self._habits.silent_after and since > self._habits.silent_after:
                continue
            kind = packet.kind
            stamp = round(packet.pts * self._habits.clock * _CLOCK[kind] / 1e6) & 0xFFFFFFFF
            payloads = list(_h264(packet.data) if kind is MediaKind.VIDEO else _aac(packet.data))
            for index, payload in enumerate(payloads):
                marker = 0x80 if index == len(payloads) - 1 else 0
                head = struct.pack(
                    ">BBHII", 0x80, _TYPE[kind] | marker, numbers[kind] & 0xFFFF, stamp, 7 + _TYPE[kind]
                )
                numbers[kind] += 1
                self._send(self._channels[kind], head + payload)

    def _send(self, channel: int | tuple[str, int], packet: bytes) -> None:
        if isinstance(channel, int):
            self._writer.write(struct.pack(">cBH", b"$", channel, len(packet)) + packet)
        else:
            with contextlib.suppress(OSError):
                self._socket.sendto(packet, channel)


def _looped(clip: Clip) -> Iterator[EncodedPacket]:
    past = 0
    while True:
        for packet in clip.packets:
            if packet.pts < SECONDS * 1_000_000:
                yield EncodedPacket(
                    packet.kind, packet.pts + past, packet.dts + past, packet.keyframe, packet.data
                )
        past += SECONDS * 1_000_000


def _parameter_sets(avcc: bytes) -> Iterator[bytes]:
    """The SPS and PPS of an avcC with one of each (ISO/IEC 14496-15 §5.3.3.1)."""
    at = 6
    for _ in range(2):
        size = int.from_bytes(avcc[at : at + 2], "big")
        yield avcc[at + 2 : at + 2 + size]
        at += 2 + size + 1


def _h264(unit: bytes) -> Iterator[bytes]:
    """Single NAL unit packets and FU-A (RFC 6184 §5.6, §5.8)."""
    at = 0
    while at < len(unit):
        size = int.from_bytes(unit[at : at + 4], "big")
        nal = unit[at + 4 : at + 4 + size]
        at += 4 + size
        if len(nal) <= _MTU:
            yield nal
            continue
        indicator, kind, body = nal[0] & 0xE0 | 28, nal[0] & 0x1F, nal[1:]
        for begin in range(0, len(body), _MTU):
            flags = (0x80 if begin == 0 else 0) | (0x40 if begin + _MTU >= len(body) else 0)
            yield bytes((indicator, flags | kind)) + body[begin : begin + _MTU]


def _aac(unit: bytes) -> Iterator[bytes]:
    """One access unit with its header (RFC 3640 §3.2.1)."""
    yield struct.pack(">HH", 16, len(unit) << 3) + unit
