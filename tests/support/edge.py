"""A real nginx with `configs/edge/nginx.conf`, before web processes on loopback, and players of its LL-HLS."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.parts import program

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "edge" / "nginx.conf"
START_WITHIN = 20.0
NGINX = program("nginx")
"""The program; None where there is none."""


class Edge:
    """An nginx that can be ended and started again on the same port."""

    def __init__(self, folder: Path, port: int, webs: Sequence[int]) -> None:
        assert NGINX is not None
        self.folder = folder
        self.port = port
        self._main = _written(folder, port, webs)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it listens."""
        assert NGINX is not None
        self._process = await asyncio.create_subprocess_exec(
            NGINX, "-p", str(self.folder), "-c", str(self._main), stderr=asyncio.subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_WITHIN
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            log = self.folder / "error.log"
            said = log.read_text() if log.exists() else ""
            assert self._process.returncode is None, f"nginx ended: {said}"
            assert time.monotonic() < deadline, f"nginx does not listen: {said}"
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End it at once, with the connections it has."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await asyncio.wait_for(self._process.wait(), 15)


class Origin:
    """A way to a web process on loopback that can be taken away, as a machine or its network goes."""

    def __init__(self, to: int) -> None:
        self.port = 0
        self._to = to
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gone()

    async def gone(self) -> None:
        """From now on nobody listens, and whoever was connected is cut off."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                other_reader, other = await asyncio.open_connection("127.0.0.1", self._to)
                self._writers.add(other)
                try:
                    await asyncio.gather(_pump(reader, other), _pump(other_reader, writer))
                finally:
                    other.close()
                    self._writers.discard(other)
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def edge(folder: Path, port: int, *webs: int) -> AsyncIterator[Edge]:
    """One that runs as long as the block."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    made = await asyncio.to_thread(Edge, folder, port, webs)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def _written(folder: Path, port: int, webs: Sequence[int]) -> Path:
    """The shipped file with nothing changed but addresses and paths, and the http context around it."""
    text = CONFIG.read_text(encoding="utf-8")
    for what, by in {
        "server 127.0.0.1:8080;": " ".join(f"server 127.0.0.1:{each};" for each in webs),
        "/var/cache/nginx/gachi-playlists": f"{folder}/playlists",
        "/var/cache/nginx/gachi-media": f"{folder}/media",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "/etc/gachi/tls/fullchain.pem": f"{folder}/chain.pem",
        "/etc/gachi/tls/privkey.pem": f"{folder}/key.pem",
    }.items():
        assert text.count(what) == 1, what
        text = text.replace(what, by)
    (folder / "gachi.conf").write_text(text, encoding="utf-8")
    _certificate(folder)
    temporary = "".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "main.conf"
    main.write_text(
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off; worker_processes 1; pid {folder}/pid;"
        f" error_log {folder}/error.log warn; events {{ worker_connections 4096; }}"
        f" http {{ access_log off; {temporary} include {folder}/gachi.conf; }}"
    )
    return main


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "live.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def unverified() -> ssl.SSLContext:
    """TLS with a certificate that nobody signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class Players:
    """Viewers who follow renditions part by part, as hls.js does: a blocking playlist request, then the part."""

    base: str
    """URL of the channel's folder."""
    epoch: int
    parts_per_segment: int
    first: tuple[int, int]
    """Media sequence number and part to begin with."""
    urls: Counter[str] = field(default_factory=Counter)
    """Requests answered, by address."""
    came: dict[str, list[float]] = field(default_factory=dict)
    """CLOCK_MONOTONIC seconds at which a part's bytes were there, by its address."""
    troubles: Counter[str] = field(default_factory=Counter)
    holes: int = 0
    """Parts that a viewer could not get."""

    async def follow(self, count: int, seconds: float, renditions: Sequence[str] = ("v180", "audio")) -> None:
        """So many viewers for so long."""
        connector = aiohttp.TCPConnector(limit=0, ssl=unverified())
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            until = time.monotonic() + seconds
            await asyncio.gather(
                *(self._watch(session, rendition, until) for _ in range(count) for rendition in renditions)
            )

    async def _watch(self, session: aiohttp.ClientSession, rendition: str, until: float) -> None:
        number = self.first[0] * self.parts_per_segment + self.first[1]
        tried = 0
        while time.monotonic() < until:
            msn, part = divmod(number, self.parts_per_segment)
            playlist = f"{rendition}/index.m3u8?_HLS_msn={msn}&_HLS_part={part}"
            media = f"{rendition}/{self.epoch}-{msn}.{part}.m4s"
            if await self._get(session, playlist) and await self._get(session, media):
                self.came.setdefault(media, []).append(time.monotonic())
            elif (tried := tried + 1) < 40:  # ten seconds: what stands between is started again
                await asyncio.sleep(0.25)
                continue
            else:
                self.holes += 1
            number, tried = number + 1, 0

    async def _get(self, session: aiohttp.ClientSession, name: str) -> bool:
        try:
            async with session.get(f"{self.base}/{name}") as answer:
                await answer.read()
                if answer.status == 200:
                    self.urls[name] += 1
                    return True
                self.troubles[str(answer.status)] += 1
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.troubles[type(error).__name__] += 1
        return False
