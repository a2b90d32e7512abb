"""The real product: `gachi serve` as its own process tree on free ports of loopback, with small channels.

    with Product.start(folder, channels={"main": SMALL}) as product:
        async with product.client() as client:
            await client.wait_ready()

Synchronous where it starts and stops, so that a module's tests can share one whatever their event loops are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from media.packaging.playlist import MediaPlaylist
from media.packaging.playlist_parser import parse_media
from runtime.cli import toml_value
from tests.support.processes import command_line

TOKEN = "product-test-admin"
START_WITHIN = 120.0
STOP_WITHIN = 30.0
ROOT = Path(__file__).resolve().parents[2]
_TARGETS = {
    "ingest": "media.ingest.__main__:main",
    "node": "media.__main__:main",
    "studio": "studio.__main__:main",
    "jobs": "media.jobs.__main__:main",
    "bridge": "commerce_bridge.__main__:main",
    "web": "web.__main__:main",
}
_JSON = {"application/json", "application/problem+json"}
_WORKER = "media.worker.process:main"

SMALL: Mapping[str, Any] = {
    "width": 320,
    "height": 180,
    "rate": "30",
    "ladder": [{"height": 180, "bitrate": 300_000}, {"height": 120, "bitrate": 150_000}],
    "preset": "ultrafast",
    "dvr_seconds": 600,
}
"""Settings of a channel that costs about a twentieth of a core to encode."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass(frozen=True)
class Seed:
    """A feed with a known key."""

    id: str
    kind: str = "rtmp"
    key: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    second_publisher: str = "refuse"


class Product:
    """A running `gachi serve`. Make it by `start`; leaving it as a context stops it and checks that nothing is left."""

    def __init__(
        self, folder: Path, data: Path, process: subprocess.Popen[bytes], http: int, rtmp: int
    ) -> None:
        self.folder = folder
        self.data = data
        self.process = process
        self.http_port = http
        self.rtmp_port = rtmp
        self.seen: dict[int, str] = {}
        """Every process of ours that was ever looked at, by pid, with its command line."""
        self.killed: set[int] = set()
        """Those that a test killed."""

    # --- life --------------------------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        channels: Mapping[str, Mapping[str, Any]],
        feeds: tuple[Seed, ...] = (),
        program: Mapping[str, tuple[str, str | None]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        data: Path | None = None,
        ready: bool = True,
    ) -> Self:
        """Start it and wait until every channel is ready. `channels` are settings by id, `program` (feed, backup)."""
        folder.mkdir(parents=True, exist_ok=True)
        data = data or folder / "var"
        http, rtmp = free_ports(2)
        config = folder / "product.toml"
        sections: dict[str, dict[str, Any]] = {
            "http": {"host": "127.0.0.1", "port": http},
            "ingest": {"host": "127.0.0.1", "rtmp_port": rtmp, "public_host": "127.0.0.1"},
            "log": {"format": "json"},
            # Many workers may start at once on a machine that does much else; heartbeats still find those that hang.
            "worker": {"ready_timeout": 90.0},
            "tape": {"min_free_bytes": 0},
            "iso": {"min_free_bytes": 0},
            "auth": {
                "token_rate": 1000.0,
                "token_burst": 5000,
                "address_rate": 1000.0,
                "address_burst": 5000,
            },
        }
        for section, values in (settings or {}).items():
            sections.setdefault(section, {}).update(values)
        lines = []
        for section, values in sections.items():
            lines += [f"[{section}]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
        for feed in feeds:
            seed: dict[str, Any] = {
                "id": feed.id,
                "kind": feed.kind,
                "second_publisher": feed.second_publisher,
            }
            seed |= {"stream_key": feed.key} if feed.key else {}
            seed |= {"options": dict(feed.options)} if feed.options else {}
            lines += ["[[feeds.seed]]", *(f"{key} = {toml_value(value)}" for key, value in seed.items())]
        for channel, values in channels.items():
            on_air, backup = (program or {}).get(channel, (None, None))
            seed = {"id": channel, "settings": dict(values)}
            seed |= {"program": on_air} if on_air else {}
            seed |= {"backup": backup} if backup else {}
            lines += ["[[channels.seed]]", *(f"{key} = {toml_value(value)}" for key, value in seed.items())]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        spawned = cls._spawn(folder, data, config, {"GACHI_ADMIN_TOKEN": TOKEN})
        product = cls(folder, data, spawned, http, rtmp)
        return product._once_ready() if ready else product

    @classmethod
    def shipped(cls, folder: Path, config: Path) -> Self:
        """Start it with a settings file as it is, but for the ports, and wait until every channel is ready."""
        http, rtmp = free_ports(2)
        ports = {"GACHI_HTTP__PORT": str(http), "GACHI_INGEST__RTMP_PORT": str(rtmp)}
        data = folder / "var"
        return cls(folder, data, cls._spawn(folder, data, config, ports), http, rtmp)._once_ready()

    def _once_ready(self) -> Self:
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    @staticmethod
    def _spawn(folder: Path, data: Path, config: Path, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GACHI_")}
        environment |= {"GACHI_DATA": str(data), "PYTHONPATH": str(ROOT), **more}
        command = [str(Path(sys.executable).with_name("gachi")), "serve", "--config", str(config)]
        with (folder / "serve.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_ready(self, within: float = START_WITHIN) -> float:
        """Wait for `/readyz`; returns how many seconds it took. Raises AssertionError with the log's end."""
        begun = time.monotonic()
        answer = "nothing listens"
        while time.monotonic() - begun < within:
            if self.process.poll() is not None:
                raise AssertionError(f"gachi serve exited with {self.process.returncode}:\n{self.log_tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as reply:
                    if reply.status == 200:
                        self.processes()
                        return time.monotonic() - begun
            except urllib.error.HTTPError as error:
                answer = error.read().decode(errors="replace")
            except OSError as error:
                answer = str(error)
            time.sleep(0.1)
        raise AssertionError(f"not ready within {within:.0f} s: {answer}\n{self.log_tail()}")

    def stop(self) -> float:
        """Stop as Ctrl-C does; returns the seconds it took. Raises AssertionError where something is left behind."""
        self.processes()
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"did not stop within {STOP_WITHIN:.0f} s:\n{self.log_tail()}") from None
        took = time.monotonic() - begun
        deadline = time.monotonic() + 5
        while left := [f"{pid} {self.seen[pid]}" for pid in self.seen if command_line(pid) == self.seen[pid]]:
            if time.monotonic() > deadline:
                raise AssertionError(f"processes were left behind: {left}")
            time.sleep(0.05)
        assert status == 0, f"gachi serve exited with {status}:\n{self.log_tail()}"
        return took

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- looking at it -----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The site."""
        return f"http://127.0.0.1:{self.http_port}"

    def publish_url(self, key: str) -> str:
        """Where an encoder pushes."""
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{key}"

    def hls(self, channel: str) -> str:
        """The multivariant playlist."""
        return f"{self.url}/hls/{channel}/index.m3u8"

    def log(self) -> list[dict[str, Any]]:
        """All log lines so far; a line that is no JSON (a traceback of the interpreter) comes as its `event`."""
        lines = []
        for line in (self.folder / "serve.log").read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append({"event": line, "level": "raw"})
        return lines

    def log_tail(self, lines: int = 12) -> str:
        """The last warnings and errors of the log, for messages of failed tests."""
        told = [line for line in self.log() if line["level"] not in {"debug", "info"}]
        return "\n".join(json.dumps(line)[:400] for line in told[-lines:])

    def processes(self) -> dict[int, str]:
        """All living processes of the product with their command lines, `gachi serve` itself included."""
        found: dict[int, str] = {}
        wanted = [self.process.pid]
        while wanted:
            pid = wanted.pop()
            command = command_line(pid)
            if not command:
                continue
            found[pid] = command
            for listing in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    wanted += [int(child) for child in listing.read_text().split()]
        self.seen |= found
        return found

    def role(self, name: str) -> int:
        """The pid of a role (`ingest`, `node`, `studio`, `jobs`, `bridge`, `web`); 0 while it is being restarted."""
        target = _TARGETS[name]
        return next((pid for pid, command in self.processes().items() if command.endswith(target)), 0)

    def roles(self) -> dict[str, int]:
        """All roles' pids."""
        return {name: self.role(name) for name in _TARGETS}

    def workers(self) -> dict[str, int]:
        """Workers on air by channel: who holds the listening socket of which origin (proc_pid_fd(5), proc_net(5))."""
        inodes: dict[str, str] = {}
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            fields = line.split()
            if len(fields) == 8 and fields[3] == "00010000" and "/origin-" in fields[7]:
                inodes[f"socket:[{fields[6]}]"] = Path(fields[7]).stem
        found: dict[str, int] = {}
        for pid, command in self.processes().items():
            if not command.endswith(_WORKER):
                continue
            with contextlib.suppress(OSError):
                for entry in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        name = inodes.get(str(entry.readlink()))
                        if name is not None:
                            found[name.removeprefix("origin-").rpartition("-")[0]] = pid
        return found

    def living(self) -> dict[str, int]:
        """Roles and workers on air, to compare before and after."""
        return {**self.roles(), **{f"worker {name}": pid for name, pid in self.workers().items()}}

    def kill(self, pid: int, by: signal.Signals = signal.SIGKILL) -> float:
        """Send a signal to a process of ours; returns the monotonic time."""
        assert pid in self.processes()
        self.killed.add(pid)
        os.kill(pid, by)
        return time.monotonic()

    def rss(self, pid: int) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def client(self) -> Client:
        """Speaks to it with the admin's token; use as an async context manager."""
        return Client(self)


class Client:
    """The API and the playlists, as an administrator and as a player."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            base_url=self.product.url,
            timeout=aiohttp.ClientTimeout(total=30),
            connector=aiohttp.TCPConnector(limit=0),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Without a token, for what viewers do."""
        assert self._session is not None
        return self._session

    async def try_api(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an API call (`path` below /api/v1)."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.session.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type in _JSON and text else text

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """JSON of an API call that succeeds."""
        status, answer = await self.try_api(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    async def log(self, show: str) -> list[dict[str, Any]]:
        """A show's log."""
        text: str = await self.api("GET", f"/shows/{show}/log")
        return [json.loads(line) for line in text.splitlines()]

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body, as a viewer; 0 where the connection fails."""
        try:
            async with self.session.get(path, params=params) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return 0, repr(error).encode()

    async def get_as_staff(self, path: str) -> tuple[int, bytes]:
        """Status and body, with the token."""
        async with self.session.get(path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            return answer.status, await answer.read()

    async def playlist(self, channel: str, rendition: str, **directives: int) -> MediaPlaylist:
        """A media playlist of a live channel."""
        params = {f"_HLS_{key}": str(value) for key, value in directives.items()}
        status, body = await self.get(f"/hls/{channel}/{rendition}/index.m3u8", params)
        assert status == 200, f"{channel}/{rendition} {params}: {status} {body[:200]!r}"
        return parse_media(body.decode())

    async def channel(self, channel: str) -> dict[str, Any]:
        """The channel's view for staff."""
        view: dict[str, Any] = await self.api("GET", f"/channels/{channel}")
        return view

    async def feed(self, feed: str) -> dict[str, Any]:
        """The feed's view."""
        view: dict[str, Any] = await self.api("GET", f"/feeds/{feed}")
        return view

    async def program(self, channel: str, feed: str | None, backup: str | None = None) -> None:
        """Put a feed on air."""
        await self.api("PUT", f"/channels/{channel}/program", {"feed": feed, "backup": backup})

    async def picture(self, channel: str, wanted: str, within: float = 15.0) -> None:
        """Wait until viewers see this picture: a feed's id, `freeze` or `slate`."""
        await until(lambda: self._shows(channel, wanted), within, f"{channel} to show {wanted}")

    async def state(self, feed: str, *wanted: str, within: float = 15.0) -> None:
        """Wait until a feed is in one of these states."""

        async def arrived() -> bool:
            return (await self.feed(feed))["state"] in wanted

        await until(arrived, within, f"feed {feed} to be {wanted}")

    async def _shows(self, channel: str, wanted: str) -> bool:
        status, view = await self.try_api("GET", f"/channels/{channel}")
        return status == 200 and view["picture"] == wanted


async def until(arrived: Callable[[], Awaitable[bool]], within: float, what: str) -> float:
    """Poll until something holds; returns the seconds it took. Raises AssertionError."""
    begun = time.monotonic()
    while not await arrived():
        if time.monotonic() - begun > within:
            raise AssertionError(f"waited {within:g} s for {what}")
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


def newest(playlist: MediaPlaylist) -> tuple[int, int]:
    """Media sequence number and part of the live edge: the next that a player asks for."""
    skipped = playlist.skip.segments if playlist.skip else 0
    last = playlist.media_sequence + skipped + len(playlist.segments) - 1
    return last + 1, len(playlist.open.parts) if playlist.open else 0


def breaks(playlist: MediaPlaylist) -> list[int]:
    """Media sequence numbers of listed segments that a discontinuity stands before (the first listed one apart)."""
    skipped = playlist.skip.segments if playlist.skip else 0
    entries = [*playlist.segments, *([playlist.open] if playlist.open else [])]
    return list(_breaks(entries[1:], playlist.media_sequence + skipped + 1))


def _breaks(entries: list[Any], first: int) -> Iterator[int]:
    for number, entry in enumerate(entries, first):
        for _ in range(entry.discontinuities):
            yield number
